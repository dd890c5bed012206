from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import Engine
from tests.support.engines import create_trigger, logged_when, open_engine, query, rows_when, runs_when, write

CLEAN = "SELECT sensor, celsius, smoothed, time FROM sensor_clean ORDER BY time"
REJECTED = "SELECT sensor, reason, value, time FROM sensor_rejected ORDER BY time"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path) as engine:
        yield engine


def test_readings_get_one_unit(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "table:sensor_data", "process_sensors.py")
    units = {"C": 20.0, "F": 68.0, "K": 293.15, "°f": 68.0}
    lines = [f"sensor_data,sensor=s{i},unit={u} temperature={v} {i}" for i, (u, v) in enumerate(units.items())]
    write(engine, "db", "\n".join([*lines, "sensor_data,sensor=s9 temperature=20 9"]))
    rows = rows_when(engine, "db", CLEAN, 5)
    assert [(row["sensor"], row["celsius"]) for row in rows] == [(s, 20.0) for s in ("s0", "s1", "s2", "s3", "s9")]


def test_noise_is_smoothed_over_writes_and_a_spike_set_apart(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "table:sensor_data", "process_sensors.py")
    for time, value in enumerate((20, 22, 21, 60, 23)):
        write(engine, "db", f"sensor_data,sensor=a temperature={value} {time}")
    assert [row["smoothed"] for row in rows_when(engine, "db", CLEAN, 4)] == [20.0, 21.0, 21.0, 22.0]
    expected = [{"sensor": "a", "reason": "jump", "value": "60.0", "time": 3}]
    assert rows_when(engine, "db", REJECTED) == expected
    assert logged_when(engine, "db", 1) == ["WARN 1 implausible readings, see table sensor_rejected"]


def test_a_real_change_of_level_is_accepted_in_the_end(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "table:sensor_data", "process_sensors.py", arguments={"window": "4"})
    values = (20, 20, 20, 20, 40, 40, 40, 40)
    write(engine, "db", "\n".join(f"sensor_data,sensor=a temperature={v} {t}" for t, v in enumerate(values)))
    assert [row["celsius"] for row in rows_when(engine, "db", CLEAN, 5)][-1] == 40.0
    assert [row["time"] for row in query(engine, "db", REJECTED)] == [4, 5, 6]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("sensor_data,sensor=a temperature=85.1 1", "out_of_range", id="too-warm"),
        pytest.param("sensor_data,sensor=a temperature=-40.1 1", "out_of_range", id="too-cold"),
        pytest.param("sensor_data,sensor=a,unit=X temperature=1 1", "unknown_unit", id="unit"),
        pytest.param('sensor_data,sensor=a temperature="warm, \\"very\\"" 1', "not_a_number", id="text"),
        pytest.param('sensor_data,sensor=a temperature="two\nlines" 1', "not_a_number", id="lines"),
        pytest.param("sensor_data,sensor=a temperature=t 1", "not_a_number", id="boolean"),
    ],
)
def test_what_cannot_be_is_rejected_with_its_reason(engine: Engine, line: str, reason: str) -> None:
    create_trigger(engine, "db", "t", "table:sensor_data", "process_sensors.py")
    write(engine, "db", line)
    (row,) = rows_when(engine, "db", REJECTED)
    assert (row["sensor"], row["reason"], row["time"]) == ("a", reason, 1)


def test_series_are_told_apart_by_the_tags_that_are_named(engine: Engine) -> None:
    arguments = {"field": "t", "tags": "room place", "low": "0", "high": "200"}
    create_trigger(engine, "db", "t", "table:sensor_data", "process_sensors.py", arguments=arguments)
    write(engine, "db", r"sensor_data,room=a\ b\,c\=d,place=ä t=100 1")
    write(engine, "db", "sensor_data,room=r t=10 2\nsensor_data,room=r humidity=50 3\nsensor_data t=1 4")
    rows = rows_when(engine, "db", "SELECT room, place, celsius, time FROM sensor_clean ORDER BY time", 3)
    assert rows == [
        {"room": "a b,c=d", "place": "ä", "celsius": 100.0, "time": 1},
        {"room": "r", "celsius": 10.0, "time": 2},
        {"celsius": 1.0, "time": 4},
    ]


def test_an_argument_that_is_no_number_is_named(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "table:sensor_data", "process_sensors.py", arguments={"low": "cold"})
    write(engine, "db", "sensor_data,sensor=a temperature=1 1")
    (run,) = runs_when(engine, "db", 1)
    assert run["error"] == "ValueError: argument low must be a number, not 'cold'"
