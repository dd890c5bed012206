"""Checklist B4: when a scheduled plugin is called, and with which time."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.clock import ManualClock
from tests.support.engines import advance
from tests.support.scene import CALLS, QUICK, WAIT_FOR, Scene, Timed
from tests.support.web import web

TELL = """
    import datetime
    seconds = (call_time - datetime.datetime(1970, 1, 1)).total_seconds()
    influxdb3_local.write(LineBuilder("told").time_ns(int(seconds) * 10**9).bool_field("v", True))
"""
TOLD = "SELECT time FROM told ORDER BY time"


def seconds(scene: Scene, count: int) -> list[float]:
    """Return the call times of ``count`` runs, as seconds after 12:00."""
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    times = [datetime.fromisoformat(found["time"]).replace(tzinfo=UTC) for found in scene.rows_when(TOLD, count)]
    return [(found - noon).total_seconds() for found in times]


@row("B4.1")
def test_a_period_fires_at_its_multiples(timed: Timed) -> None:
    timed.advance(3)
    timed.trigger("every:10s", CALLS + TELL)
    timed.advance(6.9)
    assert timed.rows(TOLD) == []
    timed.advance(0.1)
    assert seconds(timed, 1) == [10]
    for _ in range(2):
        timed.advance(10)
    assert seconds(timed, 3) == [10, 20, 30]


@row("B4.2")
def test_each_second_has_its_run(timed: Timed) -> None:
    timed.trigger("cron:* * * * * *", CALLS + TELL)
    for number in range(1, 6):
        timed.advance(1)
        assert len(seconds(timed, number)) == number
    assert seconds(timed, 5) == [1, 2, 3, 4, 5]


@row("B4.3")
def test_the_call_time_is_naive_and_whole(timed: Timed) -> None:
    code = CALLS + "    zone, rest = call_time.tzinfo, call_time.microsecond\n"
    code += "    line = LineBuilder('m').string_field('s', f'{type(call_time).__name__} {zone} {rest}')\n"
    timed.advance(0.4)
    timed.trigger("every:1500ms", code + "    influxdb3_local.write(line)\n")
    timed.advance(1.5)
    assert timed.rows_when("SELECT s FROM m") == [{"s": "datetime None 0"}]


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("isolation", "styles"),
    [
        pytest.param("embedded", ["replace(tzinfo=utc)"], id="B4.4 embedded"),
        pytest.param("shared", ["replace(tzinfo=utc)", "astimezone(utc)"], id="B4.4 host", marks=pytest.mark.process),
    ],
)
def test_the_call_time_is_utc_wherever_the_server_stands(tmp_path: Path, isolation: str, styles: list[str]) -> None:
    code = (
        CALLS
        + """
    from datetime import timezone
    utc = timezone.utc
    line = LineBuilder("m").int64_field("a", int(call_time.replace(tzinfo=utc).timestamp()))
    influxdb3_local.write(line.int64_field("b", int(call_time.astimezone(utc).timestamp())))
    """
    )
    clock = ManualClock()
    now_s = clock.now_ns() // 10**9
    with web(tmp_path, clock=clock, plugin_isolation=isolation, **QUICK) as served:
        scene = Scene(served)
        scene.trigger("every:10s", code)
        advance(served.engine, clock, 10)
        (found,) = scene.rows_when("SELECT a, b FROM m")
        assert [found["a"], found["b"]][: len(styles)] == [now_s + 10] * len(styles)


@row("B4.5")
def test_missed_times_follow_one_by_one_with_their_own_times(timed: Timed, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    begun = "    influxdb3_local.write_sync(LineBuilder('begun').bool_field('v', True), no_sync=False)\n"
    code = WAIT_FOR + CALLS + begun + "    wait_for(args['gate'])\n" + TELL
    timed.trigger("every:1s", code, trigger_arguments={"gate": str(gate)})
    timed.advance(1)
    timed.rows_when("SELECT * FROM begun")
    timed.advance(3.5)
    assert timed.rows(TOLD) == []
    gate.touch()
    assert seconds(timed, 4) == [1, 2, 3, 4]


@row("B4.6")
def test_what_was_due_while_the_server_was_down_is_not_made_up_for(tmp_path: Path) -> None:
    clock = ManualClock()
    with web(tmp_path, clock=clock, **QUICK) as served:
        Timed(served, clock, "db").trigger("every:10s", CALLS + TELL)
    clock.advance(3600 * 10**9)
    with web(tmp_path, clock=clock, **QUICK) as served:
        timed = Timed(served, clock, "db")
        timed.advance(9)
        assert timed.rows(TOLD) == []
        timed.advance(1)
        assert seconds(timed, 1) == [3610]


@row("B4.7")
def test_the_log_tells_the_scheduled_time(timed: Timed) -> None:
    timed.trigger("every:10s", CALLS + TELL)
    timed.advance(10)
    seconds(timed, 1)
    assert "INFO starting execution with scheduled time 2026-11-21 12:00:10 UTC" in timed.lines()


@row("B4.8")
@pytest.mark.parametrize("name", ["schedule_time", "time", "_"])
def test_the_parameter_may_have_any_name(timed: Timed, name: str) -> None:
    timed.trigger(
        "every:10s",
        f"def process_scheduled_call(api, {name}, extra=None):\n    call_time = {name}\n    influxdb3_local = api\n{TELL}",
    )
    timed.advance(10)
    assert seconds(timed, 1) == [10]
