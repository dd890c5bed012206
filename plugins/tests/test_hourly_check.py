from collections.abc import Iterator
from pathlib import Path

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

NOON_NS = 1_772_452_800_000_000_000  # 2026-03-02 12:00
MINUTE_NS = 60 * 10**9
FRESHNESS = "SELECT source_table, series, silent_series, age_s, time FROM freshness ORDER BY time, source_table"
EVENTS = "SELECT source_table, series, event, age_s FROM freshness_events ORDER BY time, series"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_NS)


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    with open_engine(tmp_path, clock=clock) as engine:
        yield engine


def test_a_series_that_went_silent_is_told_once_and_so_is_its_return(engine: Engine, clock: ManualClock) -> None:
    create_trigger(engine, "db", "t", "every:5m", "hourly_check.py")
    write(engine, "db", f"home,room=a t=1 {NOON_NS - 58 * MINUTE_NS}\nhome,room=b t=1 {NOON_NS - MINUTE_NS}")
    advance(engine, clock, 300)  # a is silent for 63 minutes
    assert rows_when(engine, "db", FRESHNESS) == [
        {"source_table": "home", "series": 2, "silent_series": 1, "age_s": 360.0, "time": NOON_NS + 5 * MINUTE_NS}
    ]
    runs_when(engine, "db", 1)
    advance(engine, clock, 300)
    runs_when(engine, "db", 2)
    event = {"source_table": "home", "series": "room=a"}
    assert rows_when(engine, "db", EVENTS) == [event | {"event": "silent", "age_s": 63 * 60.0}]
    write(engine, "db", f"home,room=a t=1 {NOON_NS + 14 * MINUTE_NS}")
    advance(engine, clock, 300)
    assert rows_when(engine, "db", EVENTS, 2)[1] == event | {"event": "back", "age_s": 60.0}
    runs_when(engine, "db", 3)
    advance(engine, clock, JOURNAL_S)
    assert logged_when(engine, "db", 2) == [
        "WARN home: series room=a is silent, its last row is 63 minutes old",
        "INFO home: series room=a is back, its last row is 1 minutes old",
    ]


def test_what_was_silent_for_longer_than_is_looked_back_is_forgotten(engine: Engine, clock: ManualClock) -> None:
    arguments = {"silent_minutes": "10", "lookback_hours": "0.5"}
    create_trigger(engine, "db", "t", "every:5m", "hourly_check.py", arguments=arguments)
    write(engine, "db", f"home,room=a t=1 {NOON_NS}")
    for minute in range(5, 45, 5):
        advance(engine, clock, 300)
        runs_when(engine, "db", minute // 5)
    rows = rows_when(engine, "db", FRESHNESS, 8)
    assert [row["silent_series"] for row in rows] == [0, 0, 1, 1, 1, 1, 0, 0]
    assert [row["series"] for row in rows] == [1, 1, 1, 1, 1, 1, 0, 0]
    assert len(rows_when(engine, "db", EVENTS)) == 1


def test_tables_without_tags_and_with_odd_names_are_checked(engine: Engine, clock: ManualClock) -> None:
    create_trigger(engine, "db", "t", "every:5m", "hourly_check.py", arguments={"silent_minutes": "1"})
    write(engine, "db", f'plain v=1 {NOON_NS}\nOdd"\\ name,Tag\\ 1=x\\,y v=1 {NOON_NS}\nempty v=1 1')
    advance(engine, clock, 300)
    rows = rows_when(engine, "db", FRESHNESS, 3)
    assert [(row["source_table"], row["series"]) for row in rows] == [('Odd" name', 1), ("empty", 0), ("plain", 1)]
    events = rows_when(engine, "db", EVENTS, 2)
    assert [event["series"] for event in events] == ["(no tags)", "Tag 1=x,y"]


def test_only_wanted_tables_are_checked_and_a_database_may_be_empty(engine: Engine, clock: ManualClock) -> None:
    create_trigger(engine, "db", "t", "every:5m", "hourly_check.py", arguments={"tables": "home"})
    advance(engine, clock, 300)
    assert runs_when(engine, "db", 1)[0]["outcome"] == "success"
    write(engine, "db", f"home v=1 {NOON_NS}\nother v=1 {NOON_NS}")
    advance(engine, clock, 300)
    assert [row["source_table"] for row in rows_when(engine, "db", FRESHNESS)] == ["home"]
