"""Checklist B6: what a plugin can ask of the database."""

import pytest

from tests.conformance.checklist import row
from tests.support.scene import CALLS, REQUESTS, WRITES, Scene, Timed

USAGE = "cpu,host=s1,region=us-west usage=0.5 1\ncpu,host=s2,region=us-east usage=0.89 2\ncpu,host=s3,region=us-east usage=0.1 3"

FAILURE = """
    try:
        {}
    except Exception as error:
        return {{"kind": type(error).__name__, "text": str(error)}}
"""


def failure(scene: Scene, statement: str) -> dict[str, str]:
    """Return kind and text of what ``statement`` raises in a plugin."""
    found: dict[str, str] = scene.told(FAILURE.format(statement))
    return found


@row("B6.1")
def test_the_object_has_nine_attributes(scene: Scene) -> None:
    names = scene.told("return [name for name in dir(influxdb3_local) if not name.startswith('__')]")
    assert sorted(names) == sorted(
        ["info", "warn", "error", "query", "write", "write_to_db", "write_sync", "write_sync_to_db", "cache"]
    )


@row("B6.2")
def test_log_calls_have_their_level_and_blanks_between_the_parts(scene: Scene) -> None:
    body = """
    influxdb3_local.info("i", [{'host': 's2'}], "s2")
    influxdb3_local.warn("w", 1, None)
    influxdb3_local.error("e")
    influxdb3_local.info()
    return []
    """
    scene.told(body)
    assert scene.logged(4) == ["INFO i [{'host': 's2'}] s2", "WARN w 1 None", "ERROR e", "INFO "]


@row("B6.3")
def test_a_query_takes_a_parameter(scene: Scene) -> None:
    scene.write(USAGE)
    sql = "SELECT host, region, usage FROM cpu WHERE host = $host"
    assert scene.told(f"return [repr(influxdb3_local.query('{sql}', {{'host': 's2'}}))]") == [
        "[{'host': 's2', 'region': 'us-east', 'usage': 0.89}]"
    ]


@row("B6.4")
def test_tags_that_rows_share_are_right_in_each(scene: Scene) -> None:
    scene.write(USAGE)
    rows = scene.told("return influxdb3_local.query('SELECT host, region FROM cpu ORDER BY host')")
    assert rows == [
        {"host": "s1", "region": "us-west"},
        {"host": "s2", "region": "us-east"},
        {"host": "s3", "region": "us-east"},
    ]


@row("B6.5", "A: query parameters of any type")
@pytest.mark.parametrize(
    ("value", "given"), [("5", 5), ("2.5", 2.5), ("True", True), ("None", None), ("'x'", "x")], ids=str
)
def test_parameters_of_each_plain_type_are_bound(scene: Scene, value: str, given: object) -> None:
    assert scene.told(f"return influxdb3_local.query('SELECT $n AS n', {{'n': {value}}})") == [{"n": given}]


@row("B6.5")
@pytest.mark.parametrize(
    ("args", "kind"), [("{'n': [5]}", "list"), ("{'n': object()}", "object"), ("['n']", "list"), ("{1: 'n'}", "int")]
)
def test_other_parameters_are_a_type_error(scene: Scene, args: str, kind: str) -> None:
    told = failure(scene, f"influxdb3_local.query('SELECT $n', {args})")
    assert told["kind"] == "TypeError"
    assert told["text"].startswith(f"argument 'args': '{kind}' object is not an instance of '")


@row("B6.6")
def test_a_bad_database_name_is_told(scene: Scene) -> None:
    assert failure(scene, "influxdb3_local.query('SELECT 1', database='bad db')") == {
        "kind": "QueryError",
        "text": "invalid database name provided: database name 'bad db' contains invalid character, "
        "character number 3 is not allowed",
    }


@row("B6.7")
def test_a_missing_table_is_told(scene: Scene) -> None:
    text = (
        "error: error while planning query: Error during planning: table 'public.iox.not_here' not found "
        f"executing query on {scene.database}: SELECT foo FROM not_here"
    )
    statement = "influxdb3_local.query('SELECT foo FROM not_here')"
    assert failure(scene, statement) == {"kind": "QueryError", "text": text}
    assert scene.ask(statement).json() == {"error": f"Python function call failed: QueryError: {text}"}


@row("B6.8")
def test_times_are_nanoseconds_and_nulls_none(scene: Scene) -> None:
    scene.write("m,t=x a=1i 1700000000123456789\nm b=2i 1700000000123456790")
    rows = scene.told("return influxdb3_local.query('SELECT time, t, a FROM m ORDER BY time')")
    assert rows == [
        {"time": 1700000000123456789, "t": "x", "a": 1},
        {"time": 1700000000123456790, "t": None, "a": None},
    ]
    assert scene.told("return influxdb3_local.query('SELECT a FROM m WHERE a > 1')") == []


@row("B6.9")
def test_buffered_writes_are_seen_after_the_run_and_immediate_ones_in_it(scene: Scene) -> None:
    scene.write("m v=0i 1")
    body = """
    count = lambda: influxdb3_local.query("SELECT count(*) AS n FROM m")[0]["n"]
    influxdb3_local.write(LineBuilder("m").int64_field("v", 1).time_ns(2))
    buffered = count()
    influxdb3_local.write_sync(LineBuilder("m").int64_field("v", 2).time_ns(3), False)
    return [buffered, count()]
    """
    assert scene.told(body) == [1, 2]
    assert scene.rows("SELECT v FROM m ORDER BY v") == [{"v": 0}, {"v": 1}, {"v": 2}]


@row("B6.10")
def test_a_run_that_raises_loses_its_buffered_writes_only(scene: Scene) -> None:
    body = """
    influxdb3_local.write(LineBuilder("buffered").int64_field("v", 1))
    influxdb3_local.write_sync(LineBuilder("immediate").int64_field("v", 2), no_sync=False)
    influxdb3_local.write_sync_to_db(influxdb3_local.query("SELECT 'other' AS n")[0]["n"] + query_parameters.get("x", "")
                                     + args["db"], LineBuilder("immediate").int64_field("v", 3), no_sync=True)
    raise ValueError("no")
    """
    other = f"other{scene.database}"
    assert scene.ask(body, trigger_arguments={"db": scene.database}).status_code == 500
    assert scene.tables() == {"immediate"}
    assert scene.rows("SELECT v FROM immediate") == [{"v": 2}]
    assert scene.rows("SELECT v FROM immediate", other) == [{"v": 3}]


@row("B6.11")
def test_a_refused_line_loses_all_of_its_database_and_nothing_else(scene: Scene) -> None:
    scene.write("typed v=1i 1")
    code = (
        WRITES
        + """
    good = LineBuilder("good").int64_field("v", 1)
    influxdb3_local.write(good)
    influxdb3_local.write(LineBuilder("typed").string_field("v", "text"))
    influxdb3_local.write_to_db(args["other"], good)
    """
    )
    other = f"{scene.database}_other"
    scene.trigger("table:a", code, trigger_arguments={"other": other})
    scene.write("a v=1")
    assert scene.rows_when("SELECT v FROM good", database=other) == [{"v": 1}]
    scene.line_when(f"ERROR error running wal plugin: error writing back lines to {scene.database}: Cannot write: ")
    assert scene.tables() == {"typed", "a"}
    assert scene.triggers()[0]["disabled"] is False
    assert [run["outcome"] for run in scene.runs_when(1)] == ["success"]


@row("B6.11")
@pytest.mark.parametrize(
    ("kind", "text"), [("request", "request plugin"), ("schedule", "schedule plugin")], ids=["request", "schedule"]
)
def test_the_other_kinds_tell_it_alike(timed: Timed, kind: str, text: str) -> None:
    timed.write("typed v=1i 1")
    body = "    influxdb3_local.write(LineBuilder('typed').string_field('v', 'text'))\n    return 'fine'\n"
    if kind == "request":
        assert timed.web.get(timed.endpoint(REQUESTS + body)).text == "fine"
    else:
        timed.trigger("every:1s", CALLS + body)
        timed.advance(1)
    timed.line_when(f"ERROR error running {text}: error writing back lines to {timed.database}: Cannot write: ")


@row("B6.12")
def test_a_write_makes_its_database(scene: Scene) -> None:
    name = f"{scene.database}_new"
    scene.told(
        "influxdb3_local.write_to_db(args['db'], LineBuilder('m').int64_field('v', 1))\nreturn []",
        trigger_arguments={"db": name},
    )
    assert scene.rows("SELECT v FROM m", name) == [{"v": 1}]


@row("B6.13")
@pytest.mark.parametrize(
    "call",
    [
        "write_sync(LineBuilder('m').int64_field('v', 1))",
        "write_sync_to_db('x', LineBuilder('m').int64_field('v', 1))",
        "write_sync(LineBuilder('m').int64_field('v', 1), 0)",
        "write_sync(LineBuilder('m').int64_field('v', 1), no_sync=None)",
    ],
    ids=["missing", "missing with database", "number", "none"],
)
def test_no_sync_must_be_given_as_a_boolean(scene: Scene, call: str) -> None:
    assert failure(scene, f"influxdb3_local.{call}")["kind"] == "TypeError"
    assert scene.tables() == set()


@row("B6.14")
@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("no fields at all", "line protocol parse failed: "),
        ("", "incoming write was empty"),
        ("m v=oops", "line protocol parse failed: "),
    ],
    ids=["no line", "empty", "no value"],
)
def test_an_immediate_write_that_is_refused_raises(scene: Scene, line: str, cause: str) -> None:
    top = f"class Line:\n    def build(self): return {line!r}\n"
    found = scene.told(FAILURE.format("influxdb3_local.write_sync(Line(), False)"), top=top)
    assert found["kind"] == "Exception"
    assert found["text"].startswith(f"error writing line protocol to {scene.database}: Cannot write: {cause}")


@row("B6.14")
def test_an_immediate_write_to_a_name_that_cannot_be_raises(scene: Scene) -> None:
    found = failure(scene, "influxdb3_local.write_sync_to_db('bad db', LineBuilder('m').int64_field('v', 1), False)")
    assert found["kind"] == "Exception"
    assert found["text"].startswith("error writing line protocol to bad db: invalid database name: ")


@row("B6.15")
def test_any_object_with_build_may_give_several_lines(scene: Scene) -> None:
    top = "class Batch:\n    def build(self): return 'm v=1i 1\\nm v=2i 2'\n"
    scene.told("influxdb3_local.write(Batch())\nreturn []", top=top)
    assert scene.rows("SELECT v FROM m ORDER BY v") == [{"v": 1}, {"v": 2}]


@row("B6.16")
def test_an_asynchronous_function_has_no_effect_and_no_crash(timed: Timed) -> None:
    line = "influxdb3_local.write(LineBuilder('m').int64_field('v', {}))\n"
    timed.trigger(
        "every:1s",
        f"async def process_scheduled_call(influxdb3_local, call_time, args=None):\n    {line.format(1)}",
        "a",
    )
    timed.trigger("every:1s", CALLS + "    " + line.format(2), "b")
    timed.advance(1)
    assert timed.rows_when("SELECT v FROM m") == [{"v": 2}]
    assert sorted(run["outcome"] for run in timed.runs_when(2)) == ["success", "success"]
    assert timed.rows("SELECT v FROM m") == [{"v": 2}]
