import logging
import sys

import pytest

from engine.server.logs import PlainFormatter, set_up_logging


def record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("engine.x", level, __file__, 1, text, ("a",), None)
    made.created = 1_795_230_900.25
    return made


@pytest.mark.parametrize(
    ("text", "level", "line"),
    [
        ("state=%s", logging.INFO, "2026-11-21T03:15:00.250000Z INFO    engine.x: state=a"),
        ("state=%s", logging.WARNING, "2026-11-21T03:15:00.250000Z WARNING engine.x: state=a"),
        ("%s\nfake\rline", logging.ERROR, "2026-11-21T03:15:00.250000Z ERROR   engine.x: a\\nfake\\rline"),
    ],
)
def test_an_event_is_one_line(text: str, level: int, line: str) -> None:
    assert PlainFormatter().format(record(text, level)) == line


def test_a_traceback_follows_its_line() -> None:
    try:
        raise ValueError("x")
    except ValueError:
        made = record("failed %s")
        made.exc_info = sys.exc_info()
    first, *rest = PlainFormatter().format(made).splitlines()
    assert first.endswith("failed a")
    assert rest[-1] == "ValueError: x"


@pytest.mark.parametrize(
    ("log_filter", "shown"), [("error", ["e"]), ("warn", ["w", "e"]), ("info", ["i", "w", "e"]), ("debug", [*"diwe"])]
)
def test_the_filter_says_what_is_shown(log_filter: str, shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        set_up_logging(log_filter)
        logger = logging.getLogger("engine.test")
        for name in ("debug", "info", "warning", "error"):
            getattr(logger, name)("%s", name[0])
        logging.getLogger("uvicorn.error").info("noise")
    finally:
        root.handlers[:], root.level = before[0], before[1]
    assert [line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines()] == shown
