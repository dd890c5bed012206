import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import Engine
from tests.support.clock import ManualClock
from tests.support.engines import (
    JOURNAL_S,
    advance,
    create_trigger,
    logged_when,
    open_engine,
    rows_when,
    runs_when,
    write,
)
from tests.support.mailbox import mailbox
from tests.support.scripted_server import Reply, scripted_server

NOON_NS = 1_772_452_800_000_000_000
HOUR_NS = 3600 * 10**9
ALERTS = "SELECT series, event, value, threshold, notify_email FROM threshold_alerts ORDER BY time, series"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_NS)


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    with open_engine(tmp_path, clock=clock) as engine:
        yield engine


class Watch:
    """The trigger of the seeds' command, and hours that pass with a value each."""

    def __init__(self, engine: Engine, clock: ManualClock, **arguments: str) -> None:
        self.engine, self.clock, self.hours = engine, clock, 0
        arguments = {"threshold": "90", "notify_email": "admin@example.com"} | arguments
        create_trigger(engine, "db", "t", "every:1h", "threshold_check.py", arguments=arguments)

    def hour(self, **values: float) -> None:
        """Let an hour pass in which each host wrote its value."""
        at_ns = NOON_NS + self.hours * HOUR_NS + HOUR_NS // 2
        if values:
            lines = [f"metrics,host={host} value={value} {at_ns}" for host, value in values.items()]
            write(self.engine, "db", "\n".join(lines))
        self.hours += 1
        advance(self.engine, self.clock, 3600)
        runs_when(self.engine, "db", self.hours)


def test_an_alert_is_raised_once_and_cleared_well_below_the_threshold(engine: Engine, clock: ManualClock) -> None:
    watch = Watch(engine, clock)
    for value in (50, 91, 89, 92, 86, 85.4, 95):
        watch.hour(a=value, b=10)
    events = [(row["event"], row["value"]) for row in rows_when(engine, "db", ALERTS, 3)]
    assert events == [("raised", 91.0), ("cleared", 85.4), ("raised", 95.0)]
    (alert,) = [row for row in rows_when(engine, "db", ALERTS, 3) if row["value"] == 91]
    about = {"series": "host=a", "event": "raised", "value": 91.0, "threshold": 90.0}
    assert alert == about | {"notify_email": "admin@example.com"}


def test_the_log_tells_what_was_checked(engine: Engine, clock: ManualClock) -> None:
    watch = Watch(engine, clock)
    watch.hour()
    watch.hour(a=91, b=10)
    advance(engine, clock, JOURNAL_S)
    assert logged_when(engine, "db", 4) == [
        "WARN nothing to check: there is no table metrics with a field value yet",
        "INFO checked 0 series against 90: 0 above it",
        "WARN raised: metrics.value of host=a is 91, threshold 90",
        "INFO checked 2 series against 90: 1 above it",
    ]


def test_a_series_without_rows_keeps_its_state(engine: Engine, clock: ManualClock) -> None:
    watch = Watch(engine, clock)
    watch.hour(a=91)
    watch.hour(b=1)
    watch.hour(a=92)
    watch.hour(a=10)
    assert [row["event"] for row in rows_when(engine, "db", ALERTS, 2)] == ["raised", "cleared"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({}, 70.0, id="mean"),
        pytest.param({"aggregate": "max"}, 100.0, id="max"),
        pytest.param({"aggregate": "min"}, 40.0, id="min"),
        pytest.param({"window_minutes": "20"}, 100.0, id="shorter-window"),
        pytest.param({"table": "Other", "field": "v 1"}, 33.0, id="other-field"),
    ],
)
def test_what_is_compared_can_be_chosen(
    engine: Engine, clock: ManualClock, arguments: dict[str, str], expected: float
) -> None:
    watch = Watch(engine, clock, threshold="30", **arguments)
    early, late = NOON_NS + HOUR_NS // 4, NOON_NS + HOUR_NS * 3 // 4
    write(engine, "db", f"metrics value=40 {early}\nmetrics value=100 {late}\nOther v\\ 1=33 {late}")
    watch.hour()
    (alert,) = rows_when(engine, "db", ALERTS)
    assert (alert["series"], alert["value"]) == ("(no tags)", expected)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(None, "argument threshold must be a number, not None", id="none"),
        pytest.param({"threshold": "high"}, "argument threshold must be a number, not 'high'", id="no-number"),
        pytest.param(
            {"threshold": "1", "aggregate": "sum"}, "argument aggregate must be one of mean, min, max", id="sum"
        ),
    ],
)
def test_bad_arguments_are_named(
    engine: Engine, clock: ManualClock, arguments: dict[str, str] | None, error: str
) -> None:
    create_trigger(engine, "db", "t", "every:1h", "threshold_check.py", arguments=arguments)
    write(engine, "db", f"metrics value=1 {NOON_NS}")
    advance(engine, clock, 3600)
    assert runs_when(engine, "db", 1)[0]["error"] == f"ValueError: {error}"


def test_a_webhook_gets_what_it_missed_while_it_was_down(engine: Engine, clock: ManualClock) -> None:
    with scripted_server() as server:
        server.replies.extend([Reply(503), Reply(200), Reply(200)])
        watch = Watch(engine, clock, webhook_url=f"{server.url}/alert")
        watch.hour(a=91)
        watch.hour(a=10)
        watch.hour(a=10)
        told: list[dict[str, Any]] = [json.loads(request.body) for request in server.requests]
    assert [message["event"] for message in told] == ["raised", "raised", "cleared"]
    assert told[0] == told[1]
    assert told[0]["text"] == "raised: metrics.value of host=a is 91, threshold 90"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:9/", "http://[", "http://a b/"])
def test_a_webhook_that_cannot_be_reached_costs_no_alert(engine: Engine, clock: ManualClock, url: str) -> None:
    Watch(engine, clock, webhook_url=url).hour(a=91)
    advance(engine, clock, JOURNAL_S)
    assert len(rows_when(engine, "db", ALERTS)) == 1
    assert logged_when(engine, "db", 3)[-1].startswith("ERROR webhook: cannot send 'raised: metrics.value of host=a")


def test_mail_goes_to_the_address(engine: Engine, clock: ManualClock) -> None:
    with mailbox() as box:
        Watch(engine, clock, smtp_host=box.address).hour(a=91)
    (letter,) = box.letters
    assert (letter["To"], letter["Subject"]) == ("admin@example.com", "raised: metrics.value")
    assert letter.get_payload().strip() == "raised: metrics.value of host=a is 91, threshold 90"
