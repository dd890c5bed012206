from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.log_filter import LEVELS, LogFilter, filter_of_verbosity, logger_levels, parse_log_filter


@pytest.mark.parametrize(
    ("text", "level", "loggers"),
    [
        ("info", 20, {}),
        ("Warn", 30, {}),
        ("off", 60, {}),
        ("trace", 5, {}),
        ("debug,info", 20, {}),
        ("engine.wal=debug", 40, {"engine.wal": 10}),
        (" info , engine.wal = off ", 20, {"engine.wal": 60}),
        ("engine.wal", 40, {"engine.wal": 5}),
        ("engine::wal=error", 40, {"engine.wal": 40}),
        ("info,influxdb3_wal=debug", 20, {"engine.wal": 10}),
        ("info,influxdb3_wal::object_store=debug", 20, {"engine.wal": 10}),
        ("info,influxdb3_processing_engine=warn", 20, {"engine.triggers": 30, "engine.plugins": 30}),
        ("info,iox_query::query_log=warn", 20, {"engine.query": 30}),
        ("info,h2=debug,uvicorn=info", 20, {"h2": 10, "uvicorn": 20}),
        ("info,engine.wal=debug,engine.wal=warn", 20, {"engine.wal": 30}),
    ],
)
def test_directives_are_levels_for_all_or_for_parts(text: str, level: int, loggers: dict[str, int]) -> None:
    assert parse_log_filter(text) == LogFilter(text, level, tuple(loggers.items()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("loud", "'loud' is neither a level (off, error, warn, info, debug, trace) nor a part of this server"),
        ("info,engine.wal=loud", "the level of 'engine.wal=loud' is not one of off, error, warn, info, debug, trace"),
        ("info,", "'' is neither a level"),
        ("info,=debug", "'=debug' is neither a level"),
        ("info,engine[span]=debug", "'engine[span]=debug' is neither a level"),
        ("info,engine.wal=", "the level of 'engine.wal=' is not one of"),
    ],
)
def test_what_is_no_directive_is_quoted(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="is n") as refused:
        parse_log_filter(text)
    assert str(refused.value).startswith(reason)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse_log_filter(text).text == text


@pytest.mark.parametrize(("count", "level"), [(1, "info"), (2, "debug"), (3, "trace"), (9, "trace")])
def test_each_v_shows_more(count: int, level: str) -> None:
    assert filter_of_verbosity(count).level == LEVELS[level]


@pytest.mark.parametrize(
    ("text", "is_noise_wanted", "uvicorn"),
    [
        ("debug", False, LEVELS["warn"]),
        ("error", False, LEVELS["error"]),
        ("debug,uvicorn=info", False, LEVELS["info"]),
        ("debug", True, LEVELS["debug"]),
        ("trace", True, LEVELS["debug"]),
        ("trace,uvicorn=trace", False, LEVELS["debug"]),
    ],
)
def test_of_libraries_only_trouble_is_shown(text: str, is_noise_wanted: bool, uvicorn: int) -> None:
    levels = logger_levels(parse_log_filter(text), is_noise_wanted=is_noise_wanted)
    assert (levels[""], levels.get("uvicorn")) == (parse_log_filter(text).level, uvicorn)
