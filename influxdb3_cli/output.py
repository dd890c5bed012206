"""The only place that prints: results to stdout, everything else to stderr, always UTF-8, always flushed."""

import json
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.texts import quote

# The escapes are part of the block and stand there when it is piped too: scripts strip them.
_UNDERLINE, _BOLD, _BOLD_RED, _PLAIN = "\x1b[4m", "\x1b[1m", "\x1b[1m\x1b[31m", "\x1b[0m"
_PLAIN_RED = "\x1b[39m\x1b[0m"
_KEEP_SAFE = "Store this token securely, as it will not be shown again."


def line(text: str) -> None:
    """Print one line of a result."""
    _write(sys.stdout, f"{text}\n")


def note(text: str) -> None:
    """Print one line that is not a result: a question, progress, an error."""
    _write(sys.stderr, f"{text}\n")


def emit(body: Iterable[bytes]) -> None:
    """Print the body of an answer and one line break more."""
    emit_raw(body)
    emit_raw((b"\n",))


def emit_raw(body: Iterable[bytes]) -> None:
    """Print the body of an answer as it is."""
    for piece in body:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def emit_json(value: Any) -> None:
    """Print ``value`` as JSON, indented for people."""
    line(json.dumps(value, indent=2, ensure_ascii=False))


def failure(verb: str, error: CommandFailed) -> None:
    """Print the one line that tells why ``verb`` failed."""
    note(f"{verb.capitalize()} command failed: {error}")


def traceback(error: BaseException) -> None:
    """Print where ``error`` was raised."""
    from traceback import format_exception  # here: start-up time of every other command

    note("".join(format_exception(error)).rstrip("\n"))


def token_block(token: str) -> None:
    """Print a new token for people."""
    line(
        f"\n{_UNDERLINE}New token created successfully!{_PLAIN}\n"
        f"\n{_BOLD}Token:{_PLAIN} {token}"
        f"\n{_BOLD}HTTP Requests Header:{_PLAIN} Authorization: Bearer {token}\n"
        f"\n{_BOLD_RED}IMPORTANT:{_PLAIN_RED} {_KEEP_SAFE}\n"
    )


def token_json(token: str) -> None:
    """Print a new token for scripts."""
    header = f'"Authorization: Bearer {token}"'
    emit_json({"help_msg": f"{_KEEP_SAFE} HTTP requests require the following header: {header}", "token": token})


def token_failure(error: CommandFailed) -> None:
    """Print why there is no new token; it goes to stdout, where scripts look for it."""
    line(f"Failed to create token, error: {error.debug_form()}")


def catalog(state: dict[str, Any]) -> None:
    """Print the state of the catalog for people: its file, a refused edit, its databases with triggers and caches."""
    line(f"catalog: {state['path']}")
    line(f"refused edit: {state['problem'] or 'none'}")
    for database in state["databases"]:
        line(f"database {quote(database['name'])}{_kept(database)}")
        for table in database.get("tables", ()):
            line(f"  table {quote(table['name'])}{_kept(table)}")
        for trigger in database.get("triggers", ()):
            state_word = "enabled" if trigger.get("enabled") else "disabled"
            details = (trigger.get("trigger_specification"), trigger.get("plugin_filename"), state_word)
            line("  trigger " + ", ".join((quote(trigger["name"]), *(str(detail) for detail in details if detail))))
        for cache in database.get("caches", ()):
            line(f"  {cache['kind']} {quote(cache['name'])}, table {quote(cache['table'])}")


def _kept(entry: dict[str, Any]) -> str:
    """Return what is to be said behind the name of a database or table: its retention period, and its end."""
    period, end = entry.get("retention_period"), entry.get("hard_delete_at")
    text = f", kept for {period}" if period else ""
    if entry.get("deleted"):
        text += " (deleted" + (f", goes at {end})" if end else ")")
    return text


def _write(stream: TextIO, text: str) -> None:
    stream.buffer.write(text.encode(errors="surrogateescape"))
    stream.buffer.flush()
