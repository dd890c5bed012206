"""The shapes of SQL that plugins build, each with the rows that they count on."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.scene import REQUESTS, Scene
from tests.support.web import Web

BEGIN = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z"""
MINUTE = 60_000_000_000

HOME = "\n".join(
    f'home,room={room} temp={20 + minute}.5,hum={40 + minute}i,count={minute}u,label="l{minute}",ok={minute % 2 == 0} '
    f"{BEGIN + minute * MINUTE}"
    for room in ("Kitchen", "Living\\ Room")
    for minute in range(4)
)
LINES = f"""{HOME}
it's v=1.0 {BEGIN}
trades,mint=m,platform=p price=2.0,quote_volume=1.0 {BEGIN}
trades,mint=m,platform=p price=5.0,quote_volume=2.0 {BEGIN + 10_000_000_000}
trades,mint=m,platform=p price=3.0,quote_volume=4.0 {BEGIN + 40_000_000_000}
_meta.series_profiles,source_table=home field_name="temp",profile_mature=true {BEGIN}
"""

ASK = (
    REQUESTS
    + """
    asked = json.loads(request_body)
    try:
        return {"rows": influxdb3_local.query(asked["sql"], asked["args"], **asked["where"])}
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}
"""
)

CANDLES = """
WITH all_frames AS (
    SELECT date_bin(INTERVAL '30 seconds', time, TIMESTAMP '1970-01-01 00:00:00') AS bucket, mint, price,
           quote_volume, time AS at, 30 AS seconds
    FROM "trades" WHERE time >= '2026-01-01 00:00:00' AND time < '2026-01-01 00:01:00'
    UNION ALL
    SELECT date_bin(INTERVAL '60 seconds', time, TIMESTAMP '1970-01-01 00:00:00') AS bucket, mint, price,
           quote_volume, time AS at, 60 AS seconds
    FROM "trades" WHERE time >= '2026-01-01 00:00:00' AND time < '2026-01-01 00:01:00'
), ranked AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY bucket, mint, seconds ORDER BY at ASC) AS up,
           ROW_NUMBER() OVER (PARTITION BY bucket, mint, seconds ORDER BY at DESC) AS down
    FROM all_frames
), candles AS (
    SELECT bucket, mint, seconds, MAX(CASE WHEN up = 1 THEN price END) AS open, MAX(price) AS high,
           MIN(price) AS low, MAX(CASE WHEN down = 1 THEN price END) AS close, SUM(quote_volume) AS volume
    FROM ranked GROUP BY bucket, mint, seconds ORDER BY bucket, seconds
)
SELECT * FROM candles ORDER BY bucket, seconds
"""

FUNCTIONS = ("avg", "sum", "min", "max", "median", "count", "stddev", "var", "approx_median")
ALL_FUNCTIONS = ", ".join(f'{name}("temp") AS "temp_{name}"' for name in FUNCTIONS)


def candle(at: int, seconds: int, prices: tuple[float, float, float, float], volume: float) -> dict[str, Any]:
    names = dict(zip(("open", "high", "low", "close"), prices, strict=True))
    return {"bucket": BEGIN + at * 1_000_000_000, "mint": "m", "seconds": seconds, **names, "volume": volume}


def column(*names: str) -> list[dict[str, Any]]:
    return [{"column_name": name} for name in names]


QUERIES = [
    pytest.param(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $measurement"
        " AND data_type IN ('Int64', 'Float64', 'UInt64')",
        {"measurement": "home"},
        column("count", "hum", "temp"),
        id="numeric-fields",
    ),
    pytest.param(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $m"
        " AND data_type = 'Dictionary(Int32, Utf8)'",
        {"m": "home"},
        column("room"),
        id="tags",
    ),
    pytest.param(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $table AND data_type = $data_type",
        {"table": "home", "data_type": "Dictionary(Int32, Utf8)"},
        column("room"),
        id="tags-by-two-parameters",
    ),
    pytest.param(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $m"
        " AND data_type != 'Dictionary(Int32, Utf8)'",
        {"m": "home"},
        column("count", "hum", "label", "ok", "temp", "time"),
        id="fields-and-time",
    ),
    pytest.param(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $t AND column_name != 'time'",
        {"t": "home"},
        [
            {"column_name": name, "data_type": kind}
            for name, kind in {
                "count": "UInt64",
                "hum": "Int64",
                "label": "Utf8",
                "ok": "Boolean",
                "room": "Dictionary(Int32, Utf8)",
                "temp": "Float64",
            }.items()
        ],
        id="columns-and-types",
    ),
    pytest.param(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $t",
        {"t": "no_such_table"},
        [],
        id="columns-of-a-table-that-is-not-there",
    ),
    pytest.param(
        "SELECT MIN(time) AS _t, MAX(time) AS _u FROM 'home'",
        None,
        [{"_t": BEGIN, "_u": BEGIN + 3 * MINUTE}],
        id="quoted-table-name",
    ),
    pytest.param("SELECT v FROM 'it''s'", None, [{"v": 1.0}], id="quoted-table-name-with-a-quote"),
    pytest.param('SELECT "v" FROM "it\'s"', None, [{"v": 1.0}], id="identifier-with-a-quote"),
    pytest.param(
        """
        SELECT
            DATE_BIN(INTERVAL '120 seconds', time, '1970-01-01T00:00:00Z') AS _time,
            count(*) AS record_count,
            MIN(time) AS time_from,
            MAX(time) AS time_to,
            avg("temp") as "temp_avg",
            first_value("hum" ORDER BY time) as "hum_first_value",
            last_value("hum" ORDER BY time) as "hum_last_value",
            "room"
        FROM
            'home'
        WHERE
            time >= '2026-01-01T00:00:00Z'
        AND
            time < '2026-01-01T00:04:00Z'
        AND
            "room" IN ($tag_val_0, $tag_val_1)
        GROUP BY
        _time, "room"
        ORDER BY _time
        """,
        {"tag_val_0": "Kitchen", "tag_val_1": "Attic"},
        [
            {
                "_time": BEGIN + 2 * part * MINUTE,
                "record_count": 2,
                "time_from": BEGIN + 2 * part * MINUTE,
                "time_to": BEGIN + (2 * part + 1) * MINUTE,
                "temp_avg": 21.0 + 2 * part,
                "hum_first_value": 40 + 2 * part,
                "hum_last_value": 41 + 2 * part,
                "room": "Kitchen",
            }
            for part in range(2)
        ],
        id="downsampling",
    ),
    pytest.param(
        f"SELECT {ALL_FUNCTIONS} FROM 'home' WHERE \"room\" = $room",
        {"room": "Living Room"},
        [
            {
                "temp_avg": 22.0,
                "temp_sum": 88.0,
                "temp_min": 20.5,
                "temp_max": 23.5,
                "temp_median": 22.0,
                "temp_count": 4,
                "temp_stddev": pytest.approx(1.2909944),
                "temp_var": pytest.approx(1.6666667),
                "temp_approx_median": 22.0,
            }
        ],
        id="every-aggregate",
    ),
    pytest.param(
        'SELECT hum FROM home WHERE "room" = \'Kitchen\' AND "temp" >= $a AND "hum" < $b AND "ok" = $c',
        {"a": 22, "b": 43.0, "c": True},
        [{"hum": 42}],
        id="numbers-and-truth-as-parameters",
    ),
    pytest.param(
        'SELECT hum FROM home WHERE "room" = $room AND "temp" >= $a AND "hum" < $b',
        {"room": "Kitchen", "a": "22", "b": "43"},
        [{"hum": 42}],
        id="numbers-as-text",
    ),
    pytest.param(
        'SELECT "temp" FROM "home" WHERE time >= $start AND time < $end AND "room" = \'Kitchen\' ORDER BY time',
        {"start": "2026-01-01T00:01:00+00:00", "end": "2026-01-01T00:03:00Z"},
        [{"temp": 21.5}, {"temp": 22.5}],
        id="window-by-parameters",
    ),
    pytest.param(
        "SELECT hum FROM \"home\" WHERE time = $ts AND room = 'Kitchen'",
        {"ts": "2026-01-01T00:02:00.000000000Z"},
        [{"hum": 42}],
        id="instant-by-nanoseconds",
    ),
    pytest.param(
        "SELECT hum FROM 'home' WHERE time >= '2026-01-01 00:02:00+00:00' AND time < '2026-01-01 00:03:00'"
        " AND room = 'Kitchen'",
        None,
        [{"hum": 42}],
        id="window-as-python-prints-it",
    ),
    pytest.param(
        'SELECT "room", "ok", COUNT(*) AS cnt FROM "home"'
        " WHERE time >= to_timestamp_nanos(arrow_cast($start_ns, 'Int64'))"
        " AND time < to_timestamp_nanos(arrow_cast($end_ns, 'Int64')) AND room = 'Kitchen'"
        ' GROUP BY "room", "ok" ORDER BY ok',
        {"start_ns": str(BEGIN), "end_ns": str(BEGIN + 3 * MINUTE)},
        [{"room": "Kitchen", "ok": False, "cnt": 1}, {"room": "Kitchen", "ok": True, "cnt": 2}],
        id="window-by-nanoseconds-as-text",
    ),
    pytest.param(
        "SELECT count(*) AS n FROM 'home' WHERE time >= now() - INTERVAL '36500 days' AND time > now() - interval '1 hours'",
        None,
        [{"n": 0}],
        id="before-now",
    ),
    pytest.param(
        "SELECT * FROM \"home\" WHERE room = 'Kitchen' ORDER BY time DESC LIMIT 1",
        None,
        [
            {
                "count": 3,
                "hum": 43,
                "label": "l3",
                "ok": False,
                "room": "Kitchen",
                "temp": 23.5,
                "time": BEGIN + 3 * MINUTE,
            }
        ],
        id="newest-row",
    ),
    pytest.param(
        'SELECT DISTINCT "room" FROM "home" ORDER BY room',
        None,
        [{"room": "Kitchen"}, {"room": "Living Room"}],
        id="distinct-tags",
    ),
    pytest.param(
        CANDLES,
        None,
        [
            candle(0, 30, (2.0, 5.0, 2.0, 5.0), 3.0),
            candle(0, 60, (2.0, 5.0, 2.0, 3.0), 7.0),
            candle(30, 30, (3.0, 3.0, 3.0, 3.0), 4.0),
        ],
        id="candles",
    ),
    pytest.param(
        "SELECT profile_mature FROM \"_meta.series_profiles\" WHERE source_table = 'home' AND field_name = 'temp'"
        " ORDER BY time DESC LIMIT 1",
        None,
        [{"profile_mature": True}],
        id="table-with-underscore-and-dot",
    ),
    pytest.param(
        "SELECT avg(temp) AS agg_value FROM home WHERE time > now()", None, [{"agg_value": None}], id="nothing"
    ),
    pytest.param("SELECT temp FROM home WHERE time > now()", None, [], id="no-rows"),
]


@pytest.fixture(scope="module")
def asked(server: Web) -> Iterator[Scene]:
    """A database with rows, and a plugin there that runs any query."""
    scene = Scene(server)
    scene.write(LINES)
    scene.endpoint("import json\n" + ASK)
    yield scene
    scene.close()


def answer(scene: Scene, sql: str, args: Any = None, **where: Any) -> Any:
    told = scene.web.post(
        f"/api/v3/engine/{scene.database}/r", content=json.dumps({"sql": sql, "args": args, "where": where})
    )
    assert told.status_code == 200, told.text
    return told.json()


@pytest.mark.parametrize(("sql", "args", "rows"), QUERIES)
def test_query(asked: Scene, sql: str, args: Any, rows: list[dict[str, Any]]) -> None:
    found = answer(asked, sql, args)
    if "information_schema" in sql:
        found["rows"].sort(key=lambda row: row["column_name"])
    assert found == {"rows": rows}


def test_tables_are_found(asked: Scene) -> None:
    rows = answer(asked, "SHOW TABLES")["rows"]
    assert {"table_catalog", "table_schema", "table_name", "table_type"} <= set(rows[0])
    tables = {row["table_name"] for row in rows if row.get("table_type") == "BASE TABLE"}
    assert {"home", "it's", "trades", "_meta.series_profiles"} <= tables


def test_other_database_is_asked(asked: Scene) -> None:
    other = Scene(asked.web)
    other.write("elsewhere v=7i 1")
    assert answer(asked, "SELECT v FROM elsewhere", database=other.database) == {"rows": [{"v": 7}]}
    names = answer(asked, "SHOW TABLES", None, database=other.database)["rows"]
    assert {"table_name": "elsewhere"}.items() <= next(row for row in names if row["table_schema"] == "iox").items()
    other.close()


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM missing", 'SELECT * FROM "_system.checkpoints"', "SELECT * FROM 'gone'"]
)
def test_missing_table_says_not_found(asked: Scene, sql: str) -> None:
    """Plugins read the text of the error: what was never written is no failure to them."""
    told = answer(asked, sql)
    assert told["error"] == "QueryError"
    assert "not found" in told["text"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('type(rows).__name__ + " of " + type(rows[0]).__name__', "list of dict"),
        ("list(rows[0])", ["time", "temp", "room"]),
        ("[type(value).__name__ for value in rows[0].values()]", ["int", "float", "str"]),
        ('rows[0].get("nothing", "default")', "default"),
        ('datetime.fromtimestamp(rows[0]["time"] / 1e9, tz=timezone.utc).isoformat()', "2026-01-01T00:00:00+00:00"),
        ('rows[0].pop("room")', "Kitchen"),
        ('[{**row, "more": 1} for row in rows][0]["more"]', 1),
        ("sorted({row['room'] for row in rows})", ["Kitchen", "Living Room"]),
        ("len(json.dumps(rows)) > 0", True),
    ],
)
def test_rows_are_plain_dicts(asked: Scene, expression: str, value: Any) -> None:
    top = "import json\nfrom datetime import datetime, timezone\n"
    body = "rows = influxdb3_local.query(\"SELECT time, temp, room FROM 'home' ORDER BY time, room\")\n"
    assert asked.told(f"{body}return [{expression}]", top=top) == [value]
