"""Keeps the token of a command line out of the list of processes, which other users of the machine may read."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

_OPTION = "--token"
_COMMAND_LINE = Path("/proc/self/cmdline")
_STATE = Path("/proc/self/stat")
_ARGUMENTS_BEGIN = 45
"""The place of the field, counted behind the name of the process; the one that follows says where they end."""


def tokens_in(words: Sequence[str]) -> list[str]:
    """Return the tokens that the words of a command line hold."""
    apart = [value for option, value in pairwise(words) if option == _OPTION]
    joined = [word.removeprefix(f"{_OPTION}=") for word in words if word.startswith(f"{_OPTION}=")]
    return [token for token in (*apart, *joined) if token]


def hide(secrets: Sequence[str]) -> None:
    """Overwrite ``secrets`` in the command line that the system shows of this process; only Linux can do that."""
    if not secrets or not _COMMAND_LINE.exists():
        return
    import ctypes  # here: start-up time of commands without a secret

    fields = _STATE.read_text().rpartition(")")[2].split()
    begin, end = (int(field) for field in fields[_ARGUMENTS_BEGIN : _ARGUMENTS_BEGIN + 2])
    shown = _COMMAND_LINE.read_bytes()
    if not begin or ctypes.string_at(begin, end - begin) != shown:
        return  # the system tells something else than the memory of the arguments
    for secret in secrets:
        raw = secret.encode(errors="surrogateescape")
        shown = shown.replace(raw, b"*" * len(raw))
    ctypes.memmove(begin, shown, len(shown))
