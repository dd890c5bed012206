"""Bins by wall clock beside a reference that asks Python for the offsets."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from datafusion import SessionContext

from engine.query.functions.statement import planned
from tests.support.web import Web, web

S = 10**9
HOUR, DAY = 3600 * S, 86_400 * S
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a wall clock shows has no zone

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",  # half an hour
    "Antarctica/Troll",  # two hours
    "Pacific/Apia",  # left a day out
    "Africa/Casablanca",
    "Asia/Tokyo",
]
BINS = [
    ("INTERVAL '15 minutes'", HOUR // 4, 0),
    ("INTERVAL '30 minutes'", HOUR // 2, HOUR // 4),
    ("INTERVAL '25 minutes'", 25 * 60 * S, 0),
    ("INTERVAL '1 hour'", HOUR, 0),
    ("INTERVAL '2 hours'", 2 * HOUR, 0),
    ("INTERVAL '12 hours'", 12 * HOUR, 150 * 60 * S),
    ("INTERVAL '1 day'", DAY, 0),
    ("INTERVAL '7 days'", 7 * DAY, 4 * DAY),
    ("INTERVAL '400 days'", 400 * DAY, 0),
]


def reference(time: int, zone: ZoneInfo, length: int, origin: int) -> int:
    """Return the bin of a time: all in ns, of UTC but for the origin."""
    offset = offset_at(time, zone)
    shown = (time + offset - origin) // length * length + origin
    clock = EPOCH + timedelta(seconds=shown // S)
    first, second = (round(clock.replace(tzinfo=zone, fold=fold).utcoffset().total_seconds()) * S for fold in (0, 1))  # type: ignore[union-attr]
    is_twice = first > second
    return shown - (offset if is_twice and length <= first - second else first)


def offset_at(time: int, zone: ZoneInfo) -> int:
    """Return how much later than UTC clocks are, in ns."""
    ahead = datetime.fromtimestamp(time // S, zone).utcoffset()
    assert ahead is not None
    return round(ahead.total_seconds()) * S


def times_of(zone: ZoneInfo) -> list[int]:
    """Return times of sixteen years, most of them around the changes of clocks."""
    draw = random.Random(zone.key)
    found = [draw.randrange(int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()) * S, 1767225600 * S) for _ in range(500)]
    found += [draw.randrange(-(10**18), 0) for _ in range(100)]
    for half_day in range(2 * 366 * 16):
        time = 1262304000 * S + half_day * DAY // 2
        if offset_at(time, zone) != offset_at(time + DAY // 2, zone):
            found += [time + minutes * 60 * S + draw.choice((-1, 0, 1)) for minutes in range(-1500, 2220, 41)]
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_bins_are_those_of_the_reference(zone: str) -> None:
    session, times = SessionContext(), times_of(ZoneInfo(zone))
    session.from_arrow(pa.table({"time": pa.array(times, pa.timestamp("ns"))}), "m")
    for interval, length, origin in BINS:
        bins = f"date_bin_wallclock({interval}, tz(time, '{zone}'), to_timestamp({origin}))"
        sql = f"SELECT CAST(time AS BIGINT) AS t, CAST({bins} AS BIGINT) AS b FROM m"
        found = planned(sql, {}, session.sql).to_arrow_table().to_pylist()
        assert len(found) == len(times)
        wrong = [row for row in found if row["b"] != reference(row["t"], ZoneInfo(zone), length, origin)]
        assert not wrong, (interval, wrong[:3])


def around_changes(zone: ZoneInfo) -> list[int]:
    """Return some times at which clocks are changed in 2023 and 2024, to the minute."""
    found = []
    for hour in range(int(datetime(2023, 1, 1, tzinfo=UTC).timestamp()), 1735689600, 3600):
        if offset_at(hour * S, zone) != offset_at((hour + 3600) * S, zone):
            found.append(hour * S)
    return found[:2]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll"])
def test_gaps_are_filled_with_all_bins_that_a_time_may_have(zone: str) -> None:
    session = SessionContext()
    for change in around_changes(ZoneInfo(zone)):
        first, last = change - 30 * HOUR + 7 * S, change + 31 * HOUR
        session.from_arrow(pa.table({"time": pa.array([change], pa.timestamp("ns"))}), "m")
        for interval, length, origin in BINS[1:6]:
            bins = f"date_bin_wallclock_gapfill({interval}, tz(time, '{zone}'), to_timestamp({origin}))"
            within = f"time >= to_timestamp({first}) AND time <= to_timestamp({last})"
            sql = f"SELECT CAST({bins} AS BIGINT) AS b, count(*) AS n FROM m WHERE {within} GROUP BY {bins} ORDER BY b"
            found = planned(sql, {}, session.sql).to_arrow_table().to_pydict()
            minutes = [*range(first, last, 60 * S), last]
            assert found["b"] == sorted({reference(time, ZoneInfo(zone), length, origin) for time in minutes}), interval
            assert found["n"] == [int(b == reference(change, ZoneInfo(zone), length, origin)) for b in found["b"]]
        session.deregister_table("m")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    path: Path = tmp_path_factory.mktemp("wallclock")
    with web(path) as served:
        # The second before 2024-03-31 in Berlin, when clocks were changed, its first, its last, and the next one.
        lines = "m v=1 1711839600\nm v=2 1711839599\nm v=4 1711922399\nm v=8 1711922400"
        served.write(lines, "db=foo&precision=second")
        yield served


BIN = "date_bin_wallclock(INTERVAL '1 day', tz(time, 'Europe/Berlin'))"


def test_a_day_may_have_23_hours(server: Web) -> None:
    assert server.rows(f"SELECT {BIN} AS day, sum(v) AS s FROM m GROUP BY day ORDER BY day") == [
        {"day": "2024-03-30T00:00:00+01:00", "s": 2.0},
        {"day": "2024-03-31T00:00:00+01:00", "s": 5.0},
        {"day": "2024-04-01T00:00:00+02:00", "s": 8.0},
    ]


FILLED = BIN.replace("wallclock(", "wallclock_gapfill(")
WITHIN = "time >= '2024-03-29T23:00:00Z' AND time < '2024-04-02T00:00:00Z'"


def test_fills_are_those_of_other_gaps(server: Web) -> None:
    values = "sum(v) AS s, locf(sum(v)) AS l, interpolate(sum(v)) AS i"
    sql = f"SELECT {FILLED} AS day, {values} FROM m WHERE v <> 4 AND v <> 1 AND {WITHIN} GROUP BY day"
    assert server.rows(sql) == [
        {"day": "2024-03-30T00:00:00+01:00", "s": 2.0, "l": 2.0, "i": 2.0},
        {"day": "2024-03-31T00:00:00+01:00", "l": 2.0, "i": 5.0},
        {"day": "2024-04-01T00:00:00+02:00", "s": 8.0, "l": 8.0, "i": 8.0},
        {"day": "2024-04-02T00:00:00+02:00", "l": 8.0},
    ]
    assert next(iter(server.rows(sql.replace(" AS day", "").replace("BY day", "BY 1"))[0])).startswith(
        "date_bin_wallclock_gapfill(Int"
    )


def test_without_zone_gaps_are_those_of_utc(server: Web) -> None:
    sql = f"SELECT date_bin_gapfill(INTERVAL '6 hours', time) AS t, count(*) AS n FROM m WHERE {WITHIN} GROUP BY 1"
    assert server.rows(sql.replace("bin_gapfill", "bin_wallclock_gapfill")) == server.rows(sql)


def test_a_time_without_zone_is_that_of_utc(server: Web) -> None:
    sql = "SELECT date_bin_wallclock(INTERVAL '1 hour', time) AS a, date_bin(INTERVAL '1 hour', time) AS b FROM m"
    assert all(row["a"] == row["b"] for row in server.rows(sql))


def test_a_zone_may_come_from_a_subquery(server: Web) -> None:
    inner = "SELECT tz(time, 'Europe/Berlin') AS t FROM m"
    sql = f"SELECT date_bin_wallclock(INTERVAL '1 day', x.t) AS d FROM ({inner}) AS x"
    assert sorted({row["d"][-6:] for row in server.rows(sql)}) == ["+01:00", "+02:00"]


def test_columns_are_named_by_what_was_asked(server: Web) -> None:
    name = next(iter(server.rows(f"SELECT {BIN} FROM m LIMIT 1")[0]))
    assert name.startswith("date_bin_wallclock(IntervalMonthDayNano(")
    assert name.endswith('),tz(m.time,Utf8("Europe/Berlin")))')


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            "date_bin_wallclock(INTERVAL '1 month', time)",
            "takes no interval of months or years, got INTERVAL '1 month'",
        ),
        ("date_bin_wallclock(INTERVAL '0 hours', time)", "must be longer than 0, got INTERVAL '0 hours'"),
        ("date_bin_wallclock(INTERVAL '1 hour')", "takes an interval, a time and an origin if wanted, not 1 arguments"),
        ("date_bin_wallclock(INTERVAL '1 hour', host)", "No field named host"),
        ("date_bin_wallclock(time, time)", ""),
        (f"{FILLED.replace('1 day', '1 month')} FROM m WHERE {WITHIN} GROUP BY 1 --", "no interval of months or years"),
        (f"{FILLED.replace('1 day', '1 second')} FROM m WHERE {WITHIN} GROUP BY 1 --", "may make at most 100000 bins"),
    ],
)
def test_what_cannot_be_a_bin_is_refused(server: Web, call: str, text: str) -> None:
    answer = server.sql(f"SELECT {call} FROM m")
    assert answer.status_code in (400, 500), answer.text
    assert text in answer.text
