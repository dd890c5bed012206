"""The only place that prints: results to stdout, everything else to stderr, always UTF-8, always flushed."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from influxdb3_cli import tables, terminal
from influxdb3_cli.errors import CommandFailed, OutputTrouble, ReaderGone
from influxdb3_cli.hints import way_out
from influxdb3_cli.texts import harmless, quote

# The escapes are part of the block and stand there when it is piped too: scripts strip them.
_UNDERLINE, _BOLD, _BOLD_RED, _PLAIN = "\x1b[4m", "\x1b[1m", "\x1b[1m\x1b[31m", "\x1b[0m"
_PLAIN_RED = "\x1b[39m\x1b[0m"
_PLAN_MARK, _PLAN_DETAIL = 4, "      "
_PLAN_STYLES = {"  + ": terminal.GREEN, "  ~ ": terminal.YELLOW, "  - ": terminal.RED}
_LEVEL_STYLES = {"WARN": terminal.YELLOW, "ERROR": terminal.RED}
_KEEP_SAFE = "Store this token securely, as it will not be shown again."


def line(text: str) -> None:
    """Print one line of a result."""
    _print(text)


def note(text: str) -> None:
    """Print one line that is not a result: a question, progress, an error."""
    stream: TextIO | None = sys.stderr  # none if the caller closed it
    if stream is not None:
        with suppress(OSError):  # nobody is left who could be told
            stream.buffer.write(_encoded(text))
            stream.buffer.flush()


def rows(body: Iterable[bytes], fmt: str) -> None:
    """Print rows, the body of an answer in the format ``fmt``, and one line break more; a grid fits a terminal."""
    if fmt == "pretty" and terminal.is_terminal(sys.stdout):
        screen = tables.Screen(terminal.width_of(sys.stdout), terminal.is_coloured(sys.stdout))
        emit_raw(map(_encoded, tables.fit(body, screen)))
        return
    emit_raw(body)
    emit_raw((b"\n",))


def plan(lines: Iterable[str]) -> None:
    """Print what is going to be done: on a terminal what is added is green, what changes yellow, what goes red."""
    style = ""
    for text in map(harmless, lines):
        indented = text.startswith(_PLAN_DETAIL)
        style = style if indented else _PLAN_STYLES.get(text[:_PLAN_MARK], "")
        line(terminal.painted(text, style, sys.stdout))


def log_line(time: str, level: str, text: str) -> None:
    """Print a line of a log: on a terminal warnings are yellow, errors red."""
    word = terminal.painted(f"{level:<5}", _LEVEL_STYLES.get(level, ""), sys.stdout)
    line(f"{time}  {word}  {harmless(text)}")


def emit_raw(body: Iterable[bytes]) -> None:
    """Print the body of an answer as it is."""
    if sys.stdout is None:  # the caller closed it
        return
    for piece in body:
        with _to_stdout():
            sys.stdout.buffer.write(piece)
    with _to_stdout():
        sys.stdout.buffer.flush()


def emit_json(value: Any) -> None:
    """Print ``value`` as JSON, indented for people."""
    line(json.dumps(value, indent=2, ensure_ascii=False))


def failure(verb: str, error: CommandFailed) -> None:
    """Print the line that tells why ``verb`` failed, and below it, on a terminal, what to do, where that can be said."""
    note(f"{terminal.painted(f'{verb.capitalize()} command failed:', terminal.BOLD_RED, sys.stderr)} {error}")
    _tip(error)


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
    _tip(error)


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


def interrupted() -> None:
    """End the line on which a terminal shows ``^C``."""
    if terminal.is_terminal(sys.stderr):
        note("")


def _tip(error: CommandFailed) -> None:
    """Tell a person what to do next; scripts find the line above it and nothing else, as with the product."""
    hint = way_out(error) if terminal.is_terminal(sys.stderr) else None
    if hint is not None:
        note(terminal.painted(f"  tip: {hint}", terminal.DIM, sys.stderr))


def _print(text: str) -> None:
    emit_raw((_encoded(text),))


def _encoded(text: str) -> bytes:
    return f"{text}\n".encode(errors="surrogateescape")


@contextmanager
def _to_stdout() -> Iterator[None]:
    """Raise ``ReaderGone`` or ``OutputTrouble`` if standard output cannot be written."""
    try:
        yield
    except OSError as error:
        _abandon_stdout()
        raise (ReaderGone if isinstance(error, BrokenPipeError) else OutputTrouble(error)) from error


def _abandon_stdout() -> None:
    """Have what is left to be written go nowhere: at its end the interpreter would try it again, and complain."""
    with suppress(OSError):  # a stream of a test has no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
