"""What the server's log looks like: one event in one of four forms."""

import json
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from engine.model.log_filter import LogFilter, logger_levels

_NAMES = {logging.CRITICAL: "ERROR", logging.WARNING: "WARN", 5: "TRACE"}
_COLOURS = {"ERROR": "31", "WARN": "33", "INFO": "32", "DEBUG": "34", "TRACE": "35"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_SHORT = {"\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class LogStyle:
    """How the log is written.

    Attributes:
        form: full, pretty, json or logfmt.
        destination: stdout or stderr.
        is_noise_wanted: whether libraries may say as much as the filter allows.
    """

    form: str = "full"
    destination: str = "stdout"
    is_noise_wanted: bool = False


class PlainFormatter(logging.Formatter):
    """Formats ``<time in UTC> <level> <logger>: <text>``; a traceback stands on lines of its own."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of ``record`` with microseconds."""
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line; what comes from outside cannot begin another one."""
        return f"{record.asctime} {_level(record):>5} {record.name}: {_one_line(record.message)}"

    def usesTime(self) -> bool:
        """Return that the time is needed."""
        return True


class PrettyFormatter(PlainFormatter):
    """Formats for people who look for something: the place in the code below each line, levels in colour on a terminal."""

    def __init__(self, *, has_colours: bool) -> None:
        super().__init__()
        self._has_colours = has_colours

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return two lines and an empty one."""
        level = _level(record)
        shown = f"\x1b[{_COLOURS[level]}m{level:>5}\x1b[0m" if self._has_colours else f"{level:>5}"
        first = f"  {record.asctime} {shown} {record.name}: {_one_line(record.message)}"
        return f"{first}\n    at {_place(record)}\n"


class JsonFormatter(logging.Formatter):
    """Formats one JSON object for each event, with the keys of the product."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {"message": record.getMessage(), **_exception(self, record)}
        event = {"timestamp": _time(record), "level": _level(record), "fields": fields, "target": record.name}
        return json.dumps(event, ensure_ascii=False)


class LogfmtFormatter(logging.Formatter):
    """Formats ``level=… msg="…" target="…" location="…" time=…``, the time in nanoseconds since 1970."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = {
            "msg": record.getMessage(),
            **_exception(self, record),
            "target": record.name,
            "location": _place(record),
        }
        pairs = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in facts.items())
        return f"level={_level(record).lower()} {pairs} time={int(record.created * 1_000_000) * 1000}"


def set_up_logging(shown: LogFilter, style: LogStyle) -> None:
    """Send what ``shown`` allows to where ``style`` says; loggers of libraries take the same way."""
    stream = sys.stderr if style.destination == "stderr" else sys.stdout
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_FORMS[style.form](stream))
    logging.addLevelName(5, "TRACE")
    logging.getLogger().handlers[:] = [handler]
    for name, level in logger_levels(shown, is_noise_wanted=style.is_noise_wanted).items():
        logging.getLogger(name).setLevel(level)


def _has_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")


_FORMS: dict[str, Callable[[TextIO], logging.Formatter]] = {
    "full": lambda _: PlainFormatter(),
    "pretty": lambda stream: PrettyFormatter(has_colours=_has_colours(stream)),
    "json": lambda _: JsonFormatter(),
    "logfmt": lambda _: LogfmtFormatter(),
}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _level(record: logging.LogRecord) -> str:
    return _NAMES.get(record.levelno, record.levelname)


def _place(record: logging.LogRecord) -> str:
    package = record.name.partition(".")[0]
    _, found, inside = record.pathname.rpartition(f"/{package}/")
    return f"{package}/{inside}:{record.lineno}" if found else f"{record.filename}:{record.lineno}"


def _one_line(text: str) -> str:
    """Return ``text`` without characters that begin a line or change a terminal."""
    return _CONTROL.sub(lambda found: _SHORT.get(found[0], f"\\x{ord(found[0]):02x}"), text)


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    return {"exception": formatter.formatException(record.exc_info)} if record.exc_info else {}
