"""What the server's log looks like: one plain line for each event."""

import logging
import sys
from datetime import UTC, datetime

LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


class PlainFormatter(logging.Formatter):
    """Formats ``<time in UTC> <level> <logger>: <text>``; a traceback stands on lines of its own."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of ``record`` with microseconds."""
        return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line; what comes from outside cannot begin another one."""
        text = record.message.replace("\r", "\\r").replace("\n", "\\n")
        return f"{record.asctime} {record.levelname:<7} {record.name}: {text}"

    def usesTime(self) -> bool:
        """Return that the time is needed."""
        return True


def set_up_logging(log_filter: str) -> None:
    """Send what is at least as serious as ``log_filter`` says to the standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[log_filter])
    # Of these only trouble is worth a line, whatever the filter.
    for name in ("uvicorn", "asyncio", "watchfiles", "httpx", "httpcore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
