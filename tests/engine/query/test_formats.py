import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidRequest, QueryFailed
from engine.query import formats
from engine.query.cell_text import json_objects
from engine.query.format_choice import Format, choose_format
from engine.query.formats import encode_all
from tests.support.tables import RustWriters, query_table_schema, rows_batch

CPU = query_table_schema({"host": "tag", "time": "time", "usage": "float"})
ROWS = rows_batch(CPU, [{"host": "a", "time": 2998574931 * 10**9, "usage": 0.9}, {"time": 123, "usage": 2.0}])
BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TEXT_FORMATS = [Format.JSON, Format.JSON_LINES, Format.CSV, Format.PRETTY]


def encoded(format_: Format, *batches: pa.RecordBatch, schema: pa.Schema = CPU) -> str:
    return b"".join(encode_all(format_, batches[0].schema if batches else schema, batches)).decode()


@pytest.mark.parametrize(
    ("name", "accept", "format_"),
    [
        pytest.param(None, None, Format.JSON, id="nothing asked"),
        pytest.param("json", None, Format.JSON, id="fact 66"),
        pytest.param("jsonl", None, Format.JSON_LINES, id="fact 68"),
        pytest.param("json_lines", b"application/json", Format.JSON_LINES, id="fact 68, long name"),
        pytest.param("csv", None, Format.CSV, id="fact 69"),
        pytest.param("pretty", b"*/*", Format.PRETTY, id="fact 70"),
        pytest.param("parquet", None, Format.PARQUET, id="fact 71"),
        pytest.param(None, b"text/csv", Format.CSV, id="fact 72"),
        pytest.param("pretty", BROWSER, Format.PRETTY, id="fact 74"),
        pytest.param(None, BROWSER, Format.JSON, id="a browser gets JSON"),
        pytest.param(None, b"application/json, */*", Format.JSON, id="anything is among them"),
        pytest.param(None, "text/plain", Format.PRETTY, id="a header as text"),
        pytest.param(None, b"application/vnd.apache.parquet", Format.PARQUET, id="parquet by header"),
    ],
)
def test_parameter_decides_before_header(name: str | None, accept: bytes | str | None, format_: Format) -> None:
    assert choose_format(name, accept) is format_


@pytest.mark.parametrize(
    ("name", "accept", "text"),
    [
        pytest.param("json", b"application/jsonl", "invalid mime type (application/jsonl)", id="fact 73"),
        pytest.param(
            "xx",
            None,
            "serde error: unknown variant `xx`, expected one of `parquet`, `csv`, `pretty`, `json`, `json_lines`, `jsonl`",
            id="fact 83",
        ),
        pytest.param(
            None,
            b"application/json; charset=utf-8",
            "invalid mime type (application/json; charset=utf-8)",
            id="compared whole",
        ),
        pytest.param("xx", b"audio/ogg", "invalid mime type (audio/ogg)", id="the header is read first"),
        pytest.param(
            None,
            b"a\xff",
            "the mime type specified was not valid UTF8: invalid utf-8 sequence of 1 bytes from index 1",
            id="not UTF-8",
        ),
        pytest.param(
            None,
            b"\xe2\x82",
            "the mime type specified was not valid UTF8: incomplete utf-8 byte sequence from index 0",
            id="cut off",
        ),
    ],
)
def test_unknown_formats_and_headers_are_refused(name: str | None, accept: bytes | None, text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        choose_format(name, accept)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (
            Format.JSON,
            '[{"host":"a","time":"2065-01-07T17:28:51","usage":0.9},{"time":"1970-01-01T00:00:00.000000123","usage":2.0}]',
        ),
        (
            Format.JSON_LINES,
            '{"host":"a","time":"2065-01-07T17:28:51","usage":0.9}\n'
            '{"time":"1970-01-01T00:00:00.000000123","usage":2.0}\n',
        ),
        (Format.CSV, "host,time,usage\na,2065-01-07T17:28:51,0.9\n,1970-01-01T00:00:00.000000123,2.0\n"),
        (
            Format.PRETTY,
            "+------+-------------------------------+-------+\n"
            "| host | time                          | usage |\n"
            "+------+-------------------------------+-------+\n"
            "| a    | 2065-01-07T17:28:51           | 0.9   |\n"
            "|      | 1970-01-01T00:00:00.000000123 | 2.0   |\n"
            "+------+-------------------------------+-------+",
        ),
    ],
    ids=str,
)
def test_the_examples_of_server_api_1_9(format_: Format, text: str) -> None:
    assert encoded(format_, ROWS) == encoded(format_, ROWS.slice(0, 1), ROWS.slice(2), ROWS.slice(1)) == text


@pytest.mark.parametrize(
    ("format_", "no_batch", "no_rows"),
    [
        (Format.JSON, "[]", "[]"),
        (Format.JSON_LINES, "", ""),
        (Format.CSV, "", "host,time,usage\n"),
        (
            Format.PRETTY,
            "++\n++",
            "+------+------+-------+\n| host | time | usage |\n+------+------+-------+\n+------+------+-------+",
        ),
        (Format.PARQUET, "", None),
    ],
    ids=str,
)
def test_empty_results_fact_75(format_: Format, no_batch: str, no_rows: str | None) -> None:
    assert encoded(format_) == no_batch
    if no_rows is not None:
        assert encoded(format_, ROWS.slice(2)) == no_rows


def test_parquet_can_be_read_as_it_was_with_metadata_fact_71() -> None:
    parts = list(encode_all(Format.PARQUET, CPU, [ROWS, ROWS]))
    table = pq.read_table(io.BytesIO(b"".join(parts)))
    assert table.schema.equals(CPU, check_metadata=True)
    assert table.num_rows == 4
    assert len(parts) > 1


def test_parquet_of_no_rows_is_a_complete_file() -> None:
    assert pq.read_table(io.BytesIO(b"".join(encode_all(Format.PARQUET, CPU, [ROWS.slice(2)])))).num_rows == 0


def test_a_column_alone_shows_its_nulls_in_csv() -> None:
    batch = pa.record_batch({"s": ["a", "", None, '"']})
    assert encoded(Format.CSV, batch) == 's\na\n""\n""\n""""\n'


def test_names_are_quoted_in_csv() -> None:
    assert encoded(Format.CSV, pa.record_batch({'a"b': [1], "c,d": [2]})) == '"a""b","c,d"\n1,2\n'


@pytest.mark.parametrize("type_", [pa.list_(pa.int64()), pa.struct([("a", pa.int64())])], ids=str)
def test_csv_has_no_form_for_nested_values(type_: pa.DataType) -> None:
    with pytest.raises(QueryFailed, match=r"Nested type .* is not supported in CSV"):
        encoded(Format.CSV, pa.record_batch({"a": pa.nulls(1, type_)}))


@pytest.mark.parametrize(
    ("format_", "content_type", "is_collected"),
    [
        (Format.JSON, "application/json", False),
        (Format.JSON_LINES, "application/jsonl", False),
        (Format.CSV, "text/csv", False),
        (Format.PRETTY, "text/plain; charset=utf-8", True),
        (Format.PARQUET, "application/vnd.apache.parquet", True),
    ],
    ids=str,
)
def test_formats_have_their_content_type(format_: Format, content_type: str, is_collected: bool) -> None:
    assert (format_.value, format_.is_collected) == (content_type, is_collected)


@pytest.mark.parametrize("format_", TEXT_FORMATS, ids=str)
def test_large_batches_are_encoded_in_parts(format_: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoded(format_, ROWS)
    monkeypatch.setattr(formats, "MOST_ROWS_AT_ONCE", 1)
    assert encoded(format_, ROWS) == whole


TEXTS = st.text(st.sampled_from("ab,\"\n\r\\é😀\t\x00\x1f\x7f '#"), max_size=6)
COLUMNS = {
    pa.string(): TEXTS,
    pa.dictionary(pa.int32(), pa.string()): TEXTS,
    pa.string_view(): TEXTS,
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.one_of(st.floats(-(2.0**53), 2.0**53), st.sampled_from([float("nan"), float("inf")])),
    pa.bool_(): st.booleans(),
    pa.timestamp("ns"): st.integers(-(2**62), 2**62),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.RecordBatch:
    types = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=5))
    rows = draw(st.integers(1, 12))
    arrays = []
    for type_ in types:
        cells = st.one_of(st.none(), COLUMNS[type_]) if draw(st.booleans()) else COLUMNS[type_]
        arrays.append(pa.array(draw(st.lists(cells, min_size=rows, max_size=rows)), type_))
    return pa.RecordBatch.from_arrays(arrays, names=[f"c{number}" for number in range(len(types))])


@settings(max_examples=60, deadline=None)
@given(batch=tables(), data=st.data())
def test_rows_read_as_those_of_the_rust_writers(
    tmp_path_factory: pytest.TempPathFactory, batch: pa.RecordBatch, data: st.DataObject
) -> None:
    writers, cut = RustWriters(tmp_path_factory.mktemp("written")), data.draw(st.integers(0, batch.num_rows))
    parts = (batch.slice(0, cut), batch.slice(cut))
    assert encoded(Format.CSV, *parts) == writers.csv(batch).decode()
    assert encoded(Format.JSON_LINES, *parts) == writers.json_lines(batch).decode()
    assert encoded(Format.JSON_LINES, *parts) == "".join(_as_columns(part) for part in parts)
    assert encoded(Format.JSON, *parts) == f"[{','.join(encoded(Format.JSON_LINES, *parts).splitlines())}]"


def _as_columns(batch: pa.RecordBatch) -> str:
    """Return the lines of a batch with many rows."""
    return "".join(json_objects(batch.schema.names, batch.columns, after="\n").to_pylist())
