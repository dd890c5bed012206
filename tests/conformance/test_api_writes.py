"""Server API §12.1 and §12.2: bodies of writes, and what becomes of their lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.checklist import row
from tests.support.disk import CrashingDisk
from tests.support.web import Web, told, web, zipped

OK = "cpu,host=a usage=0.5"
EMPTY = "incoming write was empty"
RETENTION = (
    "db name with invalid retention policy, if providing a retention policy name, must be of form '<db_name>/<rp_name>'"
)
BAD_CHARACTER = (
    "invalid character in database or rp name: must be ASCII, containing only letters, numbers, underscores, or hyphens"
)
PRECISIONS = "`s`, `second`, `millisecond`, `ms`, `microsecond`, `u`, `us`, `n`, `nanosecond`, `ns`"
TOO_LARGE = "max request size (10485760 bytes) exceeded"
TRAILING = "Could not parse entire line. Found trailing content: "
THREE_LINES = "cpu,host=b val=2 155\ncpu,host=a val= 123\ncpu,host=b val=5 199"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("writes")) as served:
        yield served


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        yield served


@pytest.mark.parametrize(
    ("content", "encoding", "status", "text"),
    [
        pytest.param(OK.encode(), "br", 400, "unacceptable content-encoding: br", id="S16"),
        pytest.param(zipped(b"cpu usage=1 1\n", b"cpu usage=2 2"), "gzip", 204, "", id="S17"),
        pytest.param(b"abc", "gzip", 400, "error decoding gzip stream: ", id="S18"),
        pytest.param(b"x" * 10485761, "identity", 413, TOO_LARGE, id="S19"),
        pytest.param(zipped(b"\n" * 10485761), "gzip", 413, TOO_LARGE, id="S20"),
        pytest.param(b"\xff\xfe", "identity", 400, "body content is not valid utf8: ", id="S21"),
    ],
)
def test_bodies(shared: Web, content: bytes, encoding: str, status: int, text: str) -> None:
    answer = shared.write(content, **{"Content-Encoding": encoding})
    assert answer.status_code == status
    assert answer.text.startswith(text)
    assert ("access-control-allow-origin" in answer.headers) is (status == 204)
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    ("target", "content", "status", "body"),
    [
        pytest.param("", OK, 400, "missing query parameter 'db'", id="S22"),
        pytest.param("?precision=s", OK, 400, "serde error: missing field `db`", id="S23"),
        pytest.param(
            "?db=foo&precision=fake",
            OK,
            400,
            f"serde error: unknown variant `fake`, expected one of `auto`, {PRECISIONS}",
            id="S24",
        ),
        pytest.param(
            "?db=foo&accept_partial=1", OK, 400, "serde error: provided string was not `true` or `false`", id="S25"
        ),
        pytest.param("?db=foo", OK, 204, "", id="S26"),
        pytest.param("?db=foo", "", 400, EMPTY, id="S28"),
        pytest.param("?db=foo", "# only a comment", 400, EMPTY, id="S29"),
        pytest.param("?db=this/_is_fine", OK, 204, "", id="S30"),
        pytest.param("?db=_foo", OK, 400, '{"error":"db name did not start with a number or letter"}', id="S31"),
        pytest.param("?db=", OK, 400, '{"error":"db name cannot be empty"}', id="S32"),
        pytest.param("?db=a!b", OK, 400, f'{{"error":"{BAD_CHARACTER}"}}', id="S33"),
        pytest.param("?db=a/b/c", OK, 400, f'{{"error":"{RETENTION}"}}', id="S34 parts"),
        pytest.param("?db=a/", OK, 400, f'{{"error":"{RETENTION}"}}', id="S34 end"),
        pytest.param(f"?db={'a' * 512}", OK, 400, '{"error":"db name too long: max 511"}', id="S35"),
    ],
)
def test_parameters_of_version_3(shared: Web, target: str, content: str, status: int, body: str) -> None:
    answer = shared.post(f"/api/v3/write_lp{target}", content=content)
    assert told(answer) == (status, body)
    assert "content-type" not in answer.headers


@row("S27")
def test_with_no_sync_nobody_waits_for_the_disk(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "data")
    with web(tmp_path, disk=disk) as server:
        assert server.write(OK).status_code == 204
        disk.fail_next_sync()
        assert told(server.write(OK, "db=foo&no_sync=true")) == (204, "")


@row("S30")
def test_a_name_with_a_retention_policy_is_a_database(fresh: Web) -> None:
    assert fresh.post("/api/v3/write_lp?db=this/_is_fine", content=OK).status_code == 204
    assert fresh.rows("SELECT host FROM cpu", "this/_is_fine") == [{"host": "a"}]


@row("S36")
def test_good_lines_are_kept_and_bad_ones_told(fresh: Web) -> None:
    answer = fresh.write(THREE_LINES, "db=foo&precision=nanosecond")
    assert told(answer) == (
        400,
        '{"error":"partial write of line protocol occurred","data":[{"error_message":"No fields were provided",'
        '"line_number":2,"original_line":"cpu,host=a val= 123"}]}',
    )
    assert "content-type" not in answer.headers
    rows = fresh.rows("SELECT val, time::bigint AS t FROM cpu ORDER BY time")
    assert rows == [{"val": 2.0, "t": 155}, {"val": 5.0, "t": 199}]


@row("S37")
def test_without_accept_partial_nothing_is_kept(fresh: Web) -> None:
    answer = fresh.write("cpu,host=a val= 123\ncpu,host=b val=5 199", "db=foo&accept_partial=false")
    assert told(answer) == (
        400,
        '{"error":"line protocol parsing error","data":{"error_message":"No fields were provided","line_number":1,'
        '"original_line":"cpu,host=a val= 123"}}',
    )
    assert fresh.sql("SELECT * FROM cpu").status_code == 400


@row("S38")
def test_a_value_of_another_type_is_told_with_its_line(fresh: Web) -> None:
    bad = 'home,room=Sunroom temp="hi" 1735549200'
    answer = fresh.write(f"home,room=Sunroom temp=96 1735545600\n{bad}")
    assert told(answer) == (
        400,
        '{"error":"partial write of line protocol occurred","data":[{"error_message":"invalid column type for column '
        "'temp', expected iox::column_type::field::float, got iox::column_type::field::string\","
        f'"line_number":2,"original_line":"{bad[:20]}"}}]}}',
    )
    assert fresh.rows("SELECT temp FROM home") == [{"temp": 96.0}]


def clash(column: str, expected: str, got: str) -> str:
    kinds = (f"iox::column_type::{kind}" for kind in (expected, got))
    return "invalid column type for column '{}', expected {}, got {}".format(column, *kinds)


@pytest.mark.parametrize(
    ("first", "line", "message"),
    [
        pytest.param("n v=1i", "n v=1u", clash("v", "field::integer", "field::uinteger"), id="S39"),
        pytest.param(
            OK,
            "cpu,host=a usage=0.5,usage=0.6",
            "invalid line protocol - multiple instances of 'usage' field found",
            id="S40",
        ),
        pytest.param(OK, "t time=1", "'time' is a reserved column", id="S41"),
        pytest.param(OK, "cpu host=1", clash("host", "tag", "field::float"), id="S42"),
        pytest.param(OK, "cpu,host=a usage=1\r\n", f"{TRAILING}`\r`", id="S43"),
        pytest.param(OK, "m f=.5", "No fields were provided", id="S44 no digit before the period"),
        pytest.param(OK, "m f=1.", f"{TRAILING}`.`", id="S44 no digit behind the period"),
        pytest.param(OK, "m f=+1", "No fields were provided", id="S44 plus"),
        pytest.param(OK, "m f=NaN", "No fields were provided", id="S44 NaN"),
        pytest.param(OK, "m,t= f=1", "Expected tag value, got ` f=1`", id="S44 empty tag"),
        pytest.param(OK, "m,t f=1", "Tag set malformed: could not find equals sign in `t f=1`", id="S44 no equals"),
        pytest.param(OK, ",t=a f=1", "Invalid measurement was provided", id="S44 no measurement"),
        pytest.param(OK, "m", "Expected at least one space character, got end of input", id="S44 nothing else"),
    ],
)
def test_lines_that_are_refused(shared: Web, first: str, line: str, message: str) -> None:
    assert shared.write(first).status_code == 204
    answer = shared.write(line)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "partial write of line protocol occurred",
        "data": [{"error_message": message, "line_number": 1, "original_line": line.rstrip("\n")[:20]}],
    }


@pytest.mark.parametrize(
    ("line", "table", "row_read"),
    [
        pytest.param(
            'm45 f=-1e-3,i=-5i,u=7u,b=T,c=FALSE,s="a \\"q\\" \\\\ b"',
            "m45",
            {"f": -0.001, "i": -5, "u": 7, "b": True, "c": False, "s": 'a "q" \\ b'},
            id="S45",
        ),
        pytest.param("m\\ x\\,y,t\\ k=v\\=1 f\\,g=1 1", '"m x,y"', {"t k": "v=1", "f,g": 1.0}, id="S46"),
        pytest.param('m47 s="a\nb" 1', "m47", {"s": "a\nb"}, id="S47"),
    ],
)
def test_lines_that_are_accepted(shared: Web, line: str, table: str, row_read: dict[str, Any]) -> None:
    assert told(shared.write(line)) == (204, "")
    (found,) = shared.rows(f"SELECT * FROM {table}")
    del found["time"]
    assert found == row_read


@pytest.mark.parametrize(
    ("timestamp", "nanoseconds"),
    [
        pytest.param(1, 10**9, id="S48 s"),
        pytest.param(4999999999, 4999999999 * 10**9, id="S48 the last of s"),
        pytest.param(5000000000, 5000000000 * 10**6, id="S48 ms"),
        pytest.param(1708976567000000, 1708976567000000000, id="S48 us"),
        pytest.param(1708976567000000000, 1708976567000000000, id="S48 ns"),
    ],
)
def test_the_unit_of_a_timestamp_is_guessed(shared: Web, timestamp: int, nanoseconds: int) -> None:
    table = f"guess{timestamp}"
    assert shared.write(f"{table} v=1 {timestamp}", "db=foo&precision=auto").status_code == 204
    assert shared.rows(f"SELECT time::bigint AS t FROM {table}") == [{"t": nanoseconds}]


@row("S49")
def test_a_timestamp_out_of_range_is_refused(shared: Web) -> None:
    answer = shared.write("m f=1 9223372037", "db=foo&precision=second")
    message = "timestamp, 9223372037, out of range for precision: Second"
    assert (answer.status_code, answer.json()["data"][0]["error_message"]) == (400, message)


@row("S50")
def test_fields_of_the_same_row_are_merged(fresh: Web) -> None:
    for fields in ("f1=1", "f2=2", "f1=3"):
        assert fresh.write(f"m,t=a {fields} 7").status_code == 204
    assert fresh.rows("SELECT f1, f2 FROM m") == [{"f1": 3.0, "f2": 2.0}]


@row("S51")
def test_a_new_tag_is_null_in_older_rows(fresh: Web) -> None:
    assert fresh.write("m,a=1 f=1 1").status_code == 204
    assert fresh.write("m,a=1,b=2 f=1 2").status_code == 204
    assert fresh.rows("SELECT b, f FROM m ORDER BY time") == [{"f": 1.0}, {"b": "2", "f": 1.0}]


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        pytest.param("", 400, '{"error":"no db destination provided"}', id="S52"),
        pytest.param(
            "?precision=s",
            400,
            '{"error":"failed to deserialize db/rp/precision in request: missing field `db`"}',
            id="S53",
        ),
        pytest.param("?db=foo&precision=u&rp=autogen", 204, "", id="S54"),
        pytest.param("?db=foo&rp=bar", 204, "", id="S55"),
        pytest.param(
            "?db=foo&precision=invalid",
            400,
            '{"error":"failed to deserialize db/rp/precision in request: unknown variant `invalid`, '
            f'expected one of {PRECISIONS}"}}',
            id="S56",
        ),
        pytest.param("?db=foo&p=x&consistency=one&no_sync=true", 204, "", id="S57"),
    ],
)
def test_parameters_of_version_1(shared: Web, target: str, status: int, body: str) -> None:
    answer = shared.post(f"/write{target}", content=OK)
    assert told(answer) == (status, body)
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    ("parameters", "database", "time_ns"),
    [
        pytest.param("db=foo&precision=u&rp=autogen", "foo", 7000, id="S54"),
        pytest.param("db=foo&rp=bar", "foo/bar", 7, id="S55"),
    ],
)
def test_where_writes_of_version_1_go(fresh: Web, parameters: str, database: str, time_ns: int) -> None:
    assert fresh.post(f"/write?{parameters}", content=f"{OK} 7").status_code == 204
    assert fresh.rows("SELECT time::bigint AS t FROM cpu", database) == [{"t": time_ns}]


@pytest.mark.parametrize(
    ("target", "content", "status", "message"),
    [
        pytest.param("", OK, 400, "no org/bucket destination provided", id="S58"),
        pytest.param("?org=o", OK, 400, "missing bucket value", id="S59"),
        pytest.param(
            "?bucket=foo",
            "invalid_line_protocol_syntax",
            400,
            "write buffer error: line protocol parse failed: Expected at least one space character, got end of input",
            id="S60",
        ),
        pytest.param("?bucket=foo", "", 400, f"write buffer error: {EMPTY}", id="S61"),
        pytest.param("?bucket=foo&org=o&precision=ns", OK, 204, "", id="S62"),
    ],
)
def test_parameters_of_version_2(shared: Web, target: str, content: str, status: int, message: str) -> None:
    answer = shared.post(f"/api/v2/write{target}", content=content)
    body = f'{{"code":"invalid","message":"{message}"}}' if message else ""
    assert told(answer) == (status, body)
    assert "content-type" not in answer.headers


@row("S63")
def test_one_database_too_many(tmp_path: Path) -> None:
    text = "Adding a new database would exceed limit of 5 databases"
    with web(tmp_path, max_databases=5) as server:
        for number in range(5):
            assert server.write(OK, f"db=foo{number}").status_code == 204
        assert told(server.write(OK, "db=foo5")) == (422, f'{{"error":"{text}"}}')
        assert told(server.post("/write?db=foo5", content=OK)) == (422, f'{{"error":"{text}"}}')
        message = f'{{"code":"invalid","message":"write buffer error: {text}"}}'
        assert told(server.post("/api/v2/write?bucket=foo5", content=OK)) == (400, message)
        answer = server.post("/api/v3/configure/database", json={"db": "foo5"})
        assert told(answer) == (422, f'{{"error":"{text}"}}')
        assert server.delete("/api/v3/configure/database?db=foo0").status_code == 200
        assert server.write(OK, "db=foo5").status_code == 204


@row("S64")
def test_one_column_too_many(tmp_path: Path) -> None:
    text = "Update to schema would exceed number of columns per table limit of 500 columns"
    wide = "cpu,host=a " + ",".join(f"f{number}=1" for number in range(499))
    with web(tmp_path, max_columns=500) as server:
        assert server.write(wide).status_code == 204
        assert told(server.write("cpu,host=a f0=2 1\ncpu,host=a f499=1 2")) == (
            422,
            f'{{"error":"partial write of line protocol occurred","data":[{{"error_message":"{text}",'
            '"line_number":2,"original_line":"cpu,host=a f499=1 2"}]}',
        )
        assert told(server.write("cpu,host=a f499=1", "db=foo&accept_partial=false")) == (
            400,
            f'{{"error":"line protocol parsing error","data":{{"error_message":"{text}",'
            '"line_number":1,"original_line":"cpu,host=a f499=1"}}',
        )
        message = f'{{"code":"invalid","message":"write buffer error: line protocol parse failed: {text}"}}'
        assert told(server.post("/api/v2/write?bucket=foo", content="cpu,host=a f499=1")) == (400, message)


@row("S65")
def test_a_deleted_database_cannot_be_written_to(fresh: Web) -> None:
    fresh.write(OK)
    fresh.delete("/api/v3/configure/database?db=foo")
    (name,) = [n for n, deleted in fresh.engine.tables.databases(True) if deleted]
    text = f'{{"error":"cannot write to soft-deleted database \'{name}\' - it is marked for deletion"}}'
    assert told(fresh.write(OK, f"db={name}")) == (400, text)
    assert fresh.post(f"/api/v2/write?bucket={name}", content=OK).json()["code"] == "invalid"
