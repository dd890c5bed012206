"""Server API §12.2: writes in the spellings of versions 3 and 2."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.server.routes.write import MOST_SMALL_BYTES
from tests.support.web import Web, told, web, zipped

OK = "cpu,host=a usage=0.5"
EMPTY = "incoming write was empty"
RETENTION = (
    "db name with invalid retention policy, if providing a retention policy name, must be of form '<db_name>/<rp_name>'"
)
BAD_CHARACTER = (
    "invalid character in database or rp name: must be ASCII, containing only letters, numbers, underscores, or hyphens"
)
THREE_LINES = "cpu,host=b val=2 155\ncpu,host=a val= 123\ncpu,host=b val=5 199"
LONG_NAME = "a" * 512


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("writes")) as served:
        yield served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        yield served


@pytest.mark.parametrize(
    ("target", "content", "status", "body"),
    [
        pytest.param("", OK, 400, "missing query parameter 'db'", id="22"),
        pytest.param("?precision=s", OK, 400, "serde error: missing field `db`", id="23"),
        pytest.param(
            "?db=foo&precision=fake",
            OK,
            400,
            "serde error: unknown variant `fake`, expected one of `auto`, `s`, `second`, `millisecond`, `ms`, "
            "`microsecond`, `u`, `us`, `n`, `nanosecond`, `ns`",
            id="24",
        ),
        pytest.param(
            "?db=foo&accept_partial=1", OK, 400, "serde error: provided string was not `true` or `false`", id="25"
        ),
        pytest.param("?db=foo", OK, 204, "", id="26"),
        pytest.param("?db=foo&no_sync=true", OK, 204, "", id="27"),
        pytest.param("?db=foo", "", 400, EMPTY, id="28"),
        pytest.param("?db=foo", "# only a comment", 400, EMPTY, id="29"),
        pytest.param("?db=this/_is_fine", OK, 204, "", id="30"),
        pytest.param("?db=_foo", OK, 400, '{"error":"db name did not start with a number or letter"}', id="31"),
        pytest.param("?db=_internal", OK, 400, '{"error":"db name did not start with a number or letter"}', id="own"),
        pytest.param("?db=", OK, 400, '{"error":"db name cannot be empty"}', id="32"),
        pytest.param("?db=a!b", OK, 400, f'{{"error":"{BAD_CHARACTER}"}}', id="33"),
        pytest.param("?db=a/b/c", OK, 400, f'{{"error":"{RETENTION}"}}', id="34"),
        pytest.param("?db=a/", OK, 400, f'{{"error":"{RETENTION}"}}', id="34 end"),
        pytest.param(f"?db={LONG_NAME}", OK, 400, '{"error":"db name too long: max 511"}', id="35"),
        pytest.param("?db=foo&db=foo", OK, 400, "serde error: duplicate field `db`", id="duplicate"),
    ],
)
def test_parameters_of_version_3(shared: Web, target: str, content: str, status: int, body: str) -> None:
    assert told(shared.post(f"/api/v3/write_lp{target}", content=content)) == (status, body)


@pytest.mark.parametrize(
    ("target", "content", "status", "message"),
    [
        pytest.param("", OK, 400, "no org/bucket destination provided", id="58"),
        pytest.param("?org=o", OK, 400, "missing bucket value", id="59"),
        pytest.param("?bucket=&org=o", OK, 400, "missing bucket value", id="59 empty"),
        pytest.param(
            "?bucket=foo&precision=auto",
            OK,
            400,
            "failed to deserialize org/bucket/precision in request: unknown variant `auto`, expected one of `s`, "
            "`second`, `millisecond`, `ms`, `microsecond`, `u`, `us`, `n`, `nanosecond`, `ns`",
            id="precision",
        ),
        pytest.param(
            "?bucket=a b",
            OK,
            400,
            "namespace name 'a b' contains invalid character, character number 1 is not allowed",
            id="name",
        ),
        pytest.param("?bucket=_internal", OK, 400, "db name did not start with a number or letter", id="own"),
        pytest.param("?bucket=foo", "", 400, f"write buffer error: {EMPTY}", id="61"),
        pytest.param("?bucket=foo&org=o&precision=ns", OK, 204, None, id="62"),
        pytest.param("?bucket=foo&accept_partial=nonsense&no_sync=7", OK, 204, None, id="others are ignored"),
    ],
)
def test_parameters_of_version_2(shared: Web, target: str, content: str, status: int, message: str | None) -> None:
    answer = shared.post(f"/api/v2/write{target}", content=content)
    assert answer.status_code == status
    assert answer.text == "" if message is None else answer.json() == {"code": "invalid", "message": message}


def test_version_2_refuses_all_lines_for_a_bad_one(shared: Web) -> None:  # fact 60
    answer = shared.post("/api/v2/write?bucket=v2", content="invalid_line_protocol_syntax")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["message"].startswith("write buffer error: line protocol parse failed: ")
    answer = shared.post("/api/v2/write?bucket=v2&precision=ns", content=THREE_LINES)
    text = '{"code":"invalid","message":"write buffer error: line protocol parse failed: No fields were provided"}'
    assert told(answer) == (400, text)
    assert shared.rows("SELECT * FROM information_schema.tables WHERE table_schema = 'iox'", "v2") == []


def test_version_2_tells_a_body_that_is_too_large(tmp_path: Path) -> None:
    with web(tmp_path, max_http_request_size_bytes=10) as server:
        answer = server.post("/api/v2/write?bucket=foo", content=OK)
        text = '{"code":"request too large","message":"max request size (10 bytes) exceeded"}'
        assert told(answer) == (413, text)


def test_good_lines_are_kept_and_bad_ones_told(server: Web) -> None:  # fact 36
    answer = server.write(THREE_LINES, "db=foo&precision=nanosecond")
    assert told(answer) == (
        400,
        '{"error":"partial write of line protocol occurred","data":[{"error_message":"No fields were provided",'
        '"line_number":2,"original_line":"cpu,host=a val= 123"}]}',
    )
    assert "content-type" not in answer.headers
    rows = server.rows("SELECT val, time::bigint AS t FROM cpu ORDER BY time")
    assert rows == [{"val": 2.0, "t": 155}, {"val": 5.0, "t": 199}]


def test_without_accept_partial_nothing_is_kept(server: Web) -> None:  # fact 37
    answer = server.write("cpu,host=a val= 123\ncpu,host=b val=5 199", "db=foo&accept_partial=false")
    assert told(answer) == (
        400,
        '{"error":"line protocol parsing error","data":{"error_message":"No fields were provided","line_number":1,'
        '"original_line":"cpu,host=a val= 123"}}',
    )
    assert server.sql("SELECT * FROM cpu").status_code == 400


def test_when_all_lines_are_bad_they_are_told_as_a_partial_write(shared: Web) -> None:
    answer = shared.write("bad\nworse")
    assert answer.json()["error"] == "partial write of line protocol occurred"
    assert [line["line_number"] for line in answer.json()["data"]] == [1, 2]


def test_a_value_of_another_type_is_told_with_its_line(server: Web) -> None:  # fact 38
    lines = 'home,room=Sunroom temp=96 1735545600\nhome,room=Sunroom temp="hi" 1735549200'
    (line,) = server.write(lines).json()["data"]
    assert line == {
        "error_message": "invalid column type for column 'temp', expected iox::column_type::field::float, "
        "got iox::column_type::field::string",
        "line_number": 2,
        "original_line": lines.splitlines()[1][:20],
    }


@pytest.mark.parametrize(
    ("first", "line", "message"),
    [
        pytest.param(
            "n v=1i",
            "n v=1u",
            "invalid column type for column 'v', expected iox::column_type::field::integer, "
            "got iox::column_type::field::uinteger",
            id="39",
        ),
        pytest.param(OK, "cpu,host=a usage=0.5,usage=0.6", "multiple instances of 'usage' field found", id="40"),
        pytest.param(OK, "t time=1", "'time' is a reserved column", id="41"),
        pytest.param(
            OK,
            "cpu host=1",
            "expected iox::column_type::tag, got iox::column_type::field::float",
            id="42",
        ),
        pytest.param(OK, "cpu,host=a usage=1\r\n", "Could not parse entire line. Found trailing content: ", id="43"),
        *[
            pytest.param(OK, bad, "", id=f"44: {bad}")
            for bad in ("m f=.5", "m f=1.", "m f=+1", "m f=NaN", "m,t= f=1", "m,t f=1", ",t=a f=1", "m")
        ],
    ],
)
def test_lines_that_are_refused(shared: Web, first: str, line: str, message: str) -> None:
    assert shared.write(first).status_code == 204
    answer = shared.write(line)
    assert answer.status_code == 400
    assert message in answer.json()["data"][0]["error_message"]


@pytest.mark.parametrize(
    ("line", "table", "row"),
    [
        pytest.param(
            'm45 f=-1e-3,i=-5i,u=7u,b=T,c=FALSE,s="a \\"q\\" \\\\ b"',
            "m45",
            {"f": -0.001, "i": -5, "u": 7, "b": True, "c": False, "s": 'a "q" \\ b'},
            id="45",
        ),
        pytest.param("m\\ x\\,y,t\\ k=v\\=1 f\\,g=1 1", '"m x,y"', {"t k": "v=1", "f,g": 1.0}, id="46"),
        pytest.param('m47 s="a\nb" 1', "m47", {"s": "a\nb"}, id="47"),
    ],
)
def test_lines_that_are_accepted(shared: Web, line: str, table: str, row: dict[str, Any]) -> None:
    assert shared.write(line).status_code == 204
    (found,) = shared.rows(f"SELECT * FROM {table}")
    del found["time"]
    assert found == row


@pytest.mark.parametrize(
    ("timestamp", "nanoseconds"),
    [
        (1, 10**9),
        (4999999999, 4999999999 * 10**9),
        (5000000000, 5000000000 * 10**6),
        (1708976567000000, 1708976567000000000),
        (1708976567000000000, 1708976567000000000),
    ],
)
def test_the_unit_of_a_timestamp_is_guessed(shared: Web, timestamp: int, nanoseconds: int) -> None:  # fact 48
    table = f"guess{timestamp}"
    assert shared.write(f"{table} v=1 {timestamp}", "db=foo&precision=auto").status_code == 204
    assert shared.rows(f"SELECT time::bigint AS t FROM {table}") == [{"t": nanoseconds}]


def test_a_timestamp_out_of_range_is_refused(shared: Web) -> None:  # fact 49
    answer = shared.write("m f=1 9223372037", "db=foo&precision=second")
    message = "timestamp, 9223372037, out of range for precision: Second"
    assert (answer.status_code, answer.json()["data"][0]["error_message"]) == (400, message)


def test_fields_of_the_same_row_are_merged(server: Web) -> None:  # fact 50
    for fields in ("f1=1", "f2=2", "f1=3"):
        server.write(f"m,t=a {fields} 7")
    assert server.rows("SELECT f1, f2 FROM m") == [{"f1": 3.0, "f2": 2.0}]


def test_a_new_tag_is_null_in_older_rows(server: Web) -> None:  # fact 51
    server.write("m,a=1 f=1 1")
    server.write("m,a=1,b=2 f=1 2")
    assert server.rows("SELECT b, f FROM m ORDER BY time") == [{"f": 1.0}, {"b": "2", "f": 1.0}]


def test_a_deleted_database_cannot_be_written_to(server: Web) -> None:  # fact 65
    server.write(OK)
    server.delete("/api/v3/configure/database?db=foo")
    (name,) = [n for n, deleted in server.engine.tables.databases(True) if deleted]
    text = f'{{"error":"cannot write to soft-deleted database \'{name}\' - it is marked for deletion"}}'
    assert told(server.write(OK, f"db={name}")) == (400, text)
    assert server.post(f"/api/v2/write?bucket={name}", content=OK).json()["code"] == "invalid"


def test_large_compressed_and_small_bodies_take_the_same_way(server: Web) -> None:
    lines = "\n".join(f"big,host=h{number % 7} v={number}i {number + 1}" for number in range(5000))
    assert len(lines) > MOST_SMALL_BYTES
    assert server.write(lines, "db=foo&precision=ns").status_code == 204
    packed = zipped(lines.replace("big", "packed").encode())
    assert server.write(packed, "db=foo&precision=ns", **{"Content-Encoding": "gzip"}).status_code == 204
    counted = [server.rows(f"SELECT count(*) AS n, sum(v) AS s FROM {table}") for table in ("big", "packed")]
    assert counted == [[{"n": 5000, "s": 12497500}]] * 2


def test_many_writes_at_the_same_time_are_all_there(server: Web) -> None:
    async def all_at_once() -> list[int]:
        posts = [
            server.client.post("/api/v3/write_lp?db=foo&precision=ns", content=f"m,t=a{number} v={number}i 1")
            for number in range(200)
        ]
        return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert set(server.run(all_at_once())) == {204}
    assert server.rows("SELECT count(*) AS n, sum(v) AS s FROM m") == [{"n": 200, "s": 19900}]
