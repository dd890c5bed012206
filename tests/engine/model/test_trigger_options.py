from dataclasses import replace

import pytest

from engine.errors import InvalidRequest
from engine.model.trigger import Misfire, ScheduleOptions, TriggerDefinition, TriggerLimits
from engine.model.trigger_options import OPTIONS, check_options, with_options
from engine.model.trigger_spec import parse_trigger_spec

BY_NAME = {option.name: option for option in OPTIONS}


def a_trigger(spec: str = "table:cpu", **options: object) -> TriggerDefinition:
    return with_options(TriggerDefinition(1, "t", "p.py", parse_trigger_spec(spec)), options)


@pytest.mark.parametrize(
    ("name", "text", "plain", "written"),
    [
        ("timeout_s", "30", 30.0, "30s"),
        ("timeout_s", "1.5", 1.5, "1s 500ms"),
        ("max_cpu_s", "1m 30s", 90.0, "1m 30s"),
        ("max_memory_bytes", "512MB", 512 * 1024**2, "512mb"),
        ("max_memory_bytes", "100000001", 100_000_001, "100000001"),
        ("max_rows_per_run", "5000", 5000, "5000"),
        ("isolation", "trigger", "trigger", "trigger"),
        ("timezone", "Europe/Berlin", "Europe/Berlin", "Europe/Berlin"),
        ("misfire", "once", "once", "once"),
        ("restore_state", "never", "never", "never"),
    ],
)
def test_text_becomes_a_value_and_text_again(name: str, text: str, plain: object, written: str) -> None:
    option = BY_NAME[name]
    definition = option.put(a_trigger(), option.read(text))
    assert (option.plain(definition), option.text(definition)) == (plain, written)
    assert option.put(definition, option.read(written)) == definition
    assert option.put(definition, None) == a_trigger()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("timeout_s", 0, "above 0"),
        ("timeout_s", -1.0, "above 0"),
        ("timeout_s", 1e-9, "above 0"),
        ("timeout_s", float("inf"), "at most a year"),
        ("timeout_s", float("nan"), "at most a year"),
        ("timeout_s", 1e10, "at most a year"),
        ("max_memory_bytes", 1024, "at least 67108864 bytes"),
        ("max_rows_per_run", 0, "above 0"),
        ("isolation", "own", "must be shared or trigger"),
        ("misfire", "", "must be skip, once or all"),
        ("timezone", "../etc/passwd", "IANA"),
        ("timezone", "Mars/Base", "IANA"),
        ("timezone", "", "IANA"),
        ("restore_state", "Whole", "must be whole, values or never"),
    ],
)
def test_a_value_that_is_not_allowed_is_quoted(name: str, value: object, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=name) as caught:
        a_trigger(**{name: value})
    assert repr(value) in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["", "x", "-1", "1e3", "1 fortnight", "9" * 30])
@pytest.mark.parametrize("name", ["timeout_s", "max_memory_bytes", "max_rows_per_run"])
def test_text_that_is_no_value_is_refused(name: str, text: str) -> None:
    option = BY_NAME[name]
    with pytest.raises((ValueError, InvalidRequest)):
        option.put(a_trigger(), option.read(text))


@pytest.mark.parametrize(
    ("spec", "options", "reason"),
    [
        ("table:cpu", {"jitter_s": 1}, "jitter_s is for schedule triggers"),
        ("request:x", {"max_rows_per_run": 1}, "max_rows_per_run is for wal triggers"),
        ("every:1m", {"timezone": "Europe/Berlin"}, "timezone is for cron: triggers"),
        ("every:1m", {"misfire_window_s": 60}, "needs misfire once or all"),
        ("every:1m", {"misfire": "skip", "misfire_window_s": 60}, "needs misfire once or all"),
    ],
)
def test_options_have_to_suit_the_kind(spec: str, options: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        check_options(a_trigger(spec, **options))


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("all_tables", {"max_rows_per_run": 1, "timeout_s": 1, "isolation": "trigger"}),
        ("cron:0 8 * * *", {"timezone": "Europe/Berlin", "misfire": "all", "misfire_window_s": 60, "jitter_s": 1}),
        ("request:x", {"max_memory_bytes": 2**30, "max_cpu_s": 1, "restore_state": "values"}),
    ],
)
def test_options_that_suit_are_accepted(spec: str, options: dict[str, object]) -> None:
    check_options(a_trigger(spec, **options))


def test_options_stand_where_the_engine_looks_for_them() -> None:
    definition = a_trigger("every:1m", timeout_s=2, misfire="once")
    assert definition.limits == TriggerLimits(timeout_s=2.0)
    assert definition.schedule == ScheduleOptions(misfire=Misfire.ONCE)
    assert replace(definition, limits=TriggerLimits(), schedule=ScheduleOptions()) == a_trigger("every:1m")
