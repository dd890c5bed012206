import json
import logging
import sys
from collections.abc import Iterator

import pytest

from engine.model.log_filter import parse_log_filter
from engine.server.logs import JsonFormatter, LogfmtFormatter, LogStyle, PlainFormatter, PrettyFormatter, set_up_logging


def record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("engine.x", level, "/srv/engine/x.py", 7, text, ("a",), None)
    made.created = 1_795_230_900.25
    return made


def failed() -> logging.LogRecord:
    try:
        raise ValueError('x"\ny')
    except ValueError:
        made = record("failed %s", logging.ERROR)
        made.exc_info = sys.exc_info()
    return made


@pytest.fixture
def loggers() -> Iterator[None]:
    """Leave the process's loggers as they were."""
    root = logging.getLogger()
    known = [root, *(logging.getLogger(name) for name in ("uvicorn", "asyncio", "engine.wal"))]
    levels = [logger.level for logger in known]
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(known, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("text", "level", "line"),
    [
        ("state=%s", logging.INFO, "2026-11-21T03:15:00.250000Z  INFO engine.x: state=a"),
        ("state=%s", logging.WARNING, "2026-11-21T03:15:00.250000Z  WARN engine.x: state=a"),
        ("state=%s", 5, "2026-11-21T03:15:00.250000Z TRACE engine.x: state=a"),
        ("%s\nfake\rline", logging.ERROR, "2026-11-21T03:15:00.250000Z ERROR engine.x: a\\nfake\\rline"),
        ("%s\x1b[2J\tb\x9b", logging.INFO, "2026-11-21T03:15:00.250000Z  INFO engine.x: a\\x1b[2J\tb\\x9b"),
    ],
)
def test_an_event_is_one_line(text: str, level: int, line: str, loggers: None) -> None:
    set_up_logging(parse_log_filter("info"), LogStyle())
    assert PlainFormatter().format(record(text, level)) == line


def test_a_traceback_follows_its_line() -> None:
    first, *rest = PlainFormatter().format(failed()).splitlines()
    assert first.endswith("failed a")
    assert rest[-2:] == ['ValueError: x"', "y"]


@pytest.mark.parametrize(("has_colours", "level"), [(False, " WARN"), (True, "\x1b[33m WARN\x1b[0m")])
def test_a_pretty_event_says_where_it_comes_from(has_colours: bool, level: str) -> None:
    text = PrettyFormatter(has_colours=has_colours).format(record("state=%s", logging.WARNING))
    assert text == f"  2026-11-21T03:15:00.250000Z {level} engine.x: state=a\n    at engine/x.py:7\n"


def test_json_has_the_keys_of_the_product() -> None:
    event = json.loads(JsonFormatter().format(record("é\n%s")))
    assert event == {
        "timestamp": "2026-11-21T03:15:00.250000Z",
        "level": "INFO",
        "fields": {"message": "é\na"},
        "target": "engine.x",
    }
    assert json.loads(JsonFormatter().format(failed()))["fields"]["exception"].endswith('ValueError: x"\ny')


def test_logfmt_is_one_line_of_quoted_values() -> None:
    line = LogfmtFormatter().format(record('say "%s"\nfake=1', logging.WARNING))
    assert line == (
        r'level=warn msg="say \"a\"\nfake=1" target="engine.x" location="engine/x.py:7" time=1795230900250000000'
    )
    assert "\n" not in LogfmtFormatter().format(failed())


@pytest.mark.parametrize(
    ("log_filter", "shown"),
    [
        ("error", ["e"]),
        ("warn", ["w", "e"]),
        ("info", ["i", "w", "e"]),
        ("debug", [*"diwe"]),
        ("off", []),
        ("error,engine.wal=info", ["i", "w", "e"]),
        ("engine.wal=off,debug", []),
    ],
)
@pytest.mark.parametrize("destination", ["stdout", "stderr"])
def test_the_filter_says_what_is_shown_and_the_destination_where(
    log_filter: str, shown: list[str], destination: str, capsys: pytest.CaptureFixture[str], loggers: None
) -> None:
    set_up_logging(parse_log_filter(log_filter), LogStyle(destination=destination))
    logger = logging.getLogger("engine.wal")
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)("%s", name[0])
    logging.getLogger("uvicorn.error").info("noise")
    captured = capsys.readouterr()
    lines = {"stdout": captured.out, "stderr": captured.err}
    assert [line.rpartition(" ")[2] for line in lines.pop(destination).splitlines()] == shown
    assert [*lines.values()] == [""]


@pytest.mark.parametrize(
    ("form", "begin"), [("full", "20"), ("pretty", "  20"), ("json", '{"timestamp"'), ("logfmt", "level=warn")]
)
def test_libraries_take_the_same_form(form: str, begin: str, capsys: pytest.CaptureFixture[str], loggers: None) -> None:
    set_up_logging(parse_log_filter("info"), LogStyle(form))
    logging.getLogger("uvicorn.error").warning("trouble")
    assert capsys.readouterr().out.startswith(begin)
