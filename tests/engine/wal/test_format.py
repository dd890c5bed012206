import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import StorageError
from engine.wal.format import (
    ALIGN,
    Record,
    decode_records,
    encode_record,
    payloads_of,
    scan_payloads,
    set_position,
)
from tests.support.wal import any_record, rows


def encoded(records: list[Record], first_position: int, before: int = 0) -> memoryview:
    """Return the records as they stand in a segment, behind ``before`` bytes."""
    parts = [bytes(before)]
    for position, record in enumerate(records, first_position):
        made = encode_record(record)
        set_position(made, position)
        assert sum(map(len, made.parts)) == made.size
        parts += [bytes(part) for part in made.parts]
    return memoryview(b"".join(parts))


@given(st.lists(any_record, max_size=4), st.integers(1, 2**62))
def test_records_come_back_as_they_were(records: list[Record], first_position: int) -> None:
    view = encoded(records, first_position, before=ALIGN)
    found = [(position, record) for position, record, _ in decode_records(view, ALIGN, len(view))]
    assert found == list(enumerate(records, first_position))


@given(st.lists(any_record, max_size=4), st.integers(1, 2**62))
def test_the_data_of_a_payload_stands_where_the_index_says(records: list[Record], first_position: int) -> None:
    view = encoded(records, first_position, before=ALIGN)
    scanned = list(scan_payloads(view, ALIGN, len(view)))
    assert scanned == [p for _, _, payloads in decode_records(view, ALIGN, len(view)) for p in payloads]
    wanted = [(position, p) for position, record in enumerate(records, first_position) for p in payloads_of(record)]
    for p, (position, rows_payload) in zip(scanned, wanted, strict=True):
        assert p.offset % ALIGN == 0, "so that Arrow can map it without a copy"
        assert view[p.offset : p.offset + p.length] == rows_payload.data
        assert (p.position, p.table_id, p.version) == (position, rows_payload.table_id, rows_payload.version)
        assert (p.row_count, p.encoding) == (rows_payload.row_count, rows_payload.encoding)
        assert p.chain == rows_payload.chain


def test_records_up_to_a_position_are_left_out() -> None:
    view = encoded([rows("a"), rows("b"), rows("c")], 7)
    assert [(position, record) for position, record, _ in decode_records(view, 0, len(view), 8)] == [(9, rows("c"))]


def test_a_row_payload_is_read_in_place() -> None:
    view = encoded([rows("here")], 1)
    [(_, record, [at])] = decode_records(view, 0, len(view))
    data = payloads_of(record)[0].data
    assert isinstance(data, memoryview)
    assert data.obj is view.obj
    assert bytes(view[at.offset :][:4]) == b"here"


@pytest.mark.parametrize(("at", "value"), [pytest.param(0, 60, id="kind"), pytest.param(1, 1, id="flags")])
def test_a_record_of_a_newer_version_is_refused_in_one_line(at: int, value: int) -> None:
    changed = bytearray(encoded([rows()], 1))
    changed[at] = value
    with pytest.raises(StorageError, match=r"which this version does not know: start the newer influxdb3[^\n]*$"):
        list(decode_records(memoryview(changed), 0, len(changed)))
