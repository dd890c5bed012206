"""One row of the table of settings, and the readers of its values."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.model.durations import NS_PER_SECOND, parse_duration
from engine.model.sizes import parse_memory_size, parse_size
from engine.model.trigger_options import LEAST_MEMORY_BYTES

PREFIX = "INFLUXDB3_"

_CGROUPS = Path("/sys/fs/cgroup")

Reader = Callable[[str], Any]  # text of a value → value; a ``ValueError`` says what is allowed


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is nobody's business: no log and no message shows it."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        name: the option without its dashes, and the key in a configuration file.
        default: as somebody would type it; ``None`` = unset, and ``unset`` says what that means.
        unit: what the attribute of ``Settings`` counts, the end of its name; empty = nothing that has a unit.
        other_names: further names of the option, from other versions of the product.
        variables: the environment variables, the first one that is set counts; empty = made from the names.
        choices: the words that are allowed, where there is a fixed set.
        short: another form of the option, such as ``-v``.
        is_flag: the option takes no value.
        is_count: the option takes no value, and counts how often it is there.
    """

    name: str
    read: Reader
    default: str | None
    help: str
    unit: str = ""
    unset: str = ""
    other_names: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    short: str = ""
    is_flag: bool = False
    is_count: bool = False

    @property
    def attribute(self) -> str:
        """Return the name of the attribute of ``Settings``."""
        words = self.name.replace("-", "_")
        return f"{words}_{self.unit}" if self.unit else words

    @property
    def environment(self) -> tuple[str, ...]:
        """Return the names of the environment variables, the strongest first."""
        made = (PREFIX + name.upper().replace("-", "_") for name in (self.name, *self.other_names))
        return self.variables or tuple(made)


def choice(name: str, words: tuple[str, ...], default: str | None, help_text: str, **more: Any) -> Setting:
    """Return a row whose value is one of ``words``, in any case."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text.lower()

    return Setting(name, read, default, help_text, choices=words, **more)


def flag(text: str) -> bool:
    """Read ``true`` or ``false``."""
    if text not in ("true", "false"):
        raise ValueError("expected exactly true or false")
    return text == "true"


def seconds(text: str) -> float:
    """Read a time."""
    try:
        return parse_duration(text) / NS_PER_SECOND
    except ValueError as error:
        raise ValueError(f"expected a time such as 10s or 1h 30m: {error}") from error


def positive_seconds(text: str) -> float:
    """Read a time above 0."""
    value = seconds(text)
    if value <= 0:
        raise ValueError("expected a time above 0s, such as 10s")
    return value


def seconds_or_off(text: str) -> float | None:
    """Read a time above 0, or ``off``."""
    return None if text == "off" else positive_seconds(text)


def size_or_off(text: str) -> int | None:
    """Read a size of memory that a process can live with, or ``off``."""
    return None if text == "off" else int(size_of_at_least(LEAST_MEMORY_BYTES, memory_size)(text))


def count_or_off(text: str) -> int | None:
    """Read a number of at least 1, or ``off``."""
    return None if text == "off" else positive_count(text)


def small_count(text: str) -> int:
    """Read a number from 0 to 64."""
    if not re.fullmatch(r"[0-9]{1,2}", text) or int(text) > 64:
        raise ValueError("expected a whole number from 0 to 64")
    return int(text)


def positive_count(text: str) -> int:
    """Read a number of at least 1."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError("expected a whole number of at least 1")
    return int(text)


def size_of_at_least(least_bytes: int, read: Reader = parse_size) -> Reader:
    """Return what reads a size of at least ``least_bytes``."""

    def read_checked(text: str) -> int:
        size: int = read(text)
        if size < least_bytes:
            raise ValueError(f"expected at least {least_bytes} bytes")
        return size

    return read_checked


def memory_size(text: str) -> int:
    """Read a size of memory: megabytes, with a unit, or a percentage."""
    return parse_memory_size(text, machine_memory_bytes)


def machine_memory_bytes() -> int:
    """Return the memory that this process may use at most: what the machine has, or the limit of its control group."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    membership = Path("/proc/self/cgroup")
    lines = membership.read_text().splitlines() if membership.is_file() else []
    groups = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    limits = [_CGROUPS / group / "memory.max" for group in groups]
    # A container sees its own group at the root; the last one is that of the older hierarchy.
    limits += [_CGROUPS / "memory.max", _CGROUPS / "memory" / "memory.limit_in_bytes"]
    texts = [path.read_text().strip() for path in limits if path.is_file()]
    return min([physical, *(int(text) for text in texts if text.isdigit())])


def folder_or_file(text: str) -> Path:
    """Read a path; it need not exist."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # `~` of somebody whom the machine does not know
        raise ValueError(str(error)) from error


def secret(text: str) -> Secret:
    """Read a value that is not shown."""
    return Secret(text)
