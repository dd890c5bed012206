import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import Engine
from tests.support.engines import create_trigger, logged_when, open_engine, query, rows_when, runs_when, write

START_NS = 1_772_452_800_000_000_000
SECOND_NS = 10**9
PER_MINUTE = (
    "SELECT date_bin(INTERVAL '1 minute', time) AS minute, host, sum(value_rows) AS rows,"
    " sum(value_sum) / sum(value_rows) AS mean, min(value_min) AS lowest, max(value_max) AS highest"
    " FROM metrics_summary GROUP BY minute, host ORDER BY minute, host"
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path) as engine:
        yield engine


def metrics(second: int, value: float, host: str = "a") -> str:
    return f"metrics,host={host} value={value} {START_NS + second * SECOND_NS}"


def test_parts_of_a_minute_add_up_in_whatever_order_they_ran(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "table:metrics", "heavy_process.py", run_async=True)
    seconds = list(range(120))
    random.Random(5).shuffle(seconds)
    for at in range(0, 120, 10):
        write(engine, "db", "\n".join(metrics(s, s, host) for s in seconds[at : at + 10] for host in "ab"))
    (batches,) = rows_when(engine, "db", "SELECT count(*) AS n FROM metrics")
    assert batches == {"n": 240}
    rows_when(engine, "db", f"SELECT 1 FROM ({PER_MINUTE}) HAVING sum(rows) = 240")
    assert [(r["host"], r["rows"], r["mean"], r["lowest"], r["highest"]) for r in query(engine, "db", PER_MINUTE)] == [
        ("a", 60, 29.5, 0.0, 59.0),
        ("b", 60, 29.5, 0.0, 59.0),
        ("a", 60, 89.5, 60.0, 119.0),
        ("b", 60, 89.5, 60.0, 119.0),
    ]


def test_an_unusual_value_is_scored_against_the_hour_before_it(engine: Engine) -> None:
    write(engine, "db", "\n".join(metrics(s, 10 + s % 3, host) for s in range(60) for host in "ab"))
    create_trigger(engine, "db", "t", "table:metrics", "heavy_process.py", run_async=True)
    write(engine, "db", "\n".join([metrics(60, 30, "a"), metrics(60, 12, "b"), metrics(60, 99, "new")]))
    (row,) = rows_when(engine, "db", "SELECT host, field, value, expected, score FROM metrics_anomalies")
    assert (row["host"], row["field"], row["value"], row["expected"]) == ("a", "value", 30.0, 11.0)
    assert row["score"] == pytest.approx(19 / 0.82, rel=0.02)
    assert logged_when(engine, "db", 1) == ["WARN 1 unusual values in table metrics"]


def test_values_that_never_changed_are_unusual_when_they_do(engine: Engine) -> None:
    write(engine, "db", "\n".join(metrics(s, 100) for s in range(60)))
    create_trigger(engine, "db", "t", "table:metrics", "heavy_process.py", arguments={"score": "10"})
    write(engine, "db", "\n".join([metrics(60, 100.5), metrics(61, 120)]))
    assert rows_when(engine, "db", "SELECT value, score FROM metrics_anomalies") == [{"value": 120.0, "score": 20.0}]


def test_odd_columns_are_coped_with(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "table:my table", "heavy_process.py", arguments={"bucket_s": "10"})
    write(
        engine, "db", 'my\\ table,a\\ tag=x\\,y my\\ field=1i,on=t,s="text",u=2u 5\nmy\\ table v=3 6\nmy\\ table on=f 7'
    )
    assert [run["outcome"] for run in runs_when(engine, "db", 1)] == ["success"]
    assert rows_when(engine, "db", "SELECT * FROM my_table_summary ORDER BY time", 2) == [
        {"a_tag": "x,y", "time": 5}
        | {f"{name}_{what}": value for name, value in (("my_field", 1.0), ("u", 2.0)) for what in ("sum", "min", "max")}
        | {"my_field_rows": 1, "u_rows": 1},
        {"v_rows": 1, "v_sum": 3.0, "v_min": 3.0, "v_max": 3.0, "time": 6},
    ]


def test_rows_without_numbers_give_nothing(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "table:metrics", "heavy_process.py")
    write(engine, "db", 'metrics s="x" 1')
    (run,) = runs_when(engine, "db", 1)
    assert (run["outcome"], run["lines_out"]) == ("success", 0)
