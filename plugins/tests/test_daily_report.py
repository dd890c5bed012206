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

MIDNIGHT_NS = 1_772_409_600_000_000_000  # 2026-03-02
HOUR_NS = 3600 * 10**9
YESTERDAY_NS = MIDNIGHT_NS - 24 * HOUR_NS
REPORT = "SELECT * FROM daily_report ORDER BY time, source_table, field"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MIDNIGHT_NS + 7 * HOUR_NS)


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    with open_engine(tmp_path, clock=clock) as engine:
        yield engine


def test_at_eight_the_day_before_is_reported_and_no_other(engine: Engine, clock: ManualClock) -> None:
    create_trigger(engine, "db", "t", "cron:0 8 * * *", "daily_report.py")
    times = [YESTERDAY_NS - 1, YESTERDAY_NS, MIDNIGHT_NS - 1, MIDNIGHT_NS]
    write(
        engine, "db", "\n".join(f"home,room=r temp={v},n={v}i {t}" for v, t in zip((99, 1, 3, 99), times, strict=True))
    )
    advance(engine, clock, 3600)
    numbers = {"min": 1.0, "mean": 2.0, "max": 3.0, "rows": 2, "time": YESTERDAY_NS}
    assert rows_when(engine, "db", REPORT, 2) == [
        {"source_table": "home", "field": field} | numbers for field in ("n", "temp")
    ]
    runs_when(engine, "db", 1)
    advance(engine, clock, JOURNAL_S)
    assert logged_when(engine, "db", 1) == ["INFO 2026-03-01 home, min / mean / max: n 1 / 2 / 3, temp 1 / 2 / 3"]
    advance(engine, clock, 24 * 3600)
    assert [row["mean"] for row in rows_when(engine, "db", REPORT, 4)] == [2.0, 2.0, 99.0, 99.0]


def test_values_are_grouped_by_a_tag_where_a_table_has_it(engine: Engine, clock: ManualClock) -> None:
    create_trigger(engine, "db", "t", "cron:0 8 * * *", "daily_report.py", arguments={"group_by": "room"})
    noon = YESTERDAY_NS + 12 * HOUR_NS
    write(engine, "db", f"home,room=a t=1 {noon}\nhome,room=b t=2 {noon}\nhome t=3 {noon}\nother,x=y v=4u {noon}")
    advance(engine, clock, 3600)
    rows = rows_when(engine, "db", REPORT, 4)
    found = [(row["source_table"], row.get("series"), row["mean"]) for row in rows]
    assert sorted(found, key=str) == [
        ("home", "room=a", 1.0),
        ("home", "room=b", 2.0),
        ("home", None, 3.0),
        ("other", None, 4.0),
    ]


def test_odd_tables_do_not_cost_the_report(engine: Engine, clock: ManualClock) -> None:
    create_trigger(engine, "db", "t", "cron:0 8 * * *", "daily_report.py")
    noon = YESTERDAY_NS + 12 * HOUR_NS
    lines = [
        f'texts only="text" {noon}',
        f'Odd"\\ name Field\\ 1=1,s="x" {noon}',
        f"huge v=1.7e308 {noon}\nhuge v=1.7e308 {noon + 1}",
        f"old v=1 {YESTERDAY_NS - 1}",
    ]
    write(engine, "db", "\n".join(lines))
    advance(engine, clock, 3600)
    rows = rows_when(engine, "db", REPORT)
    assert [(row["source_table"], row["field"]) for row in rows] == [('Odd" name', "Field 1")]


def test_only_wanted_tables_are_reported(engine: Engine, clock: ManualClock) -> None:
    create_trigger(engine, "db", "t", "cron:0 8 * * *", "daily_report.py", arguments={"tables": "b c"})
    noon = YESTERDAY_NS + 12 * HOUR_NS
    write(engine, "db", "\n".join(f"{table} v=1 {noon}" for table in "abc"))
    advance(engine, clock, 3600)
    assert [row["source_table"] for row in rows_when(engine, "db", REPORT, 2)] == ["b", "c"]
