import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.server.protobuf import NoMessage, fields
from tests.support.protobuf import message

NUMBERS = st.integers(1, 2**29 - 1)
HELD = st.integers(0, 2**64 - 1) | st.binary(max_size=300)


@given(st.lists(st.tuples(NUMBERS, HELD), max_size=8))
def test_what_is_written_is_read(written: list[tuple[int, int | bytes]]) -> None:
    assert list(fields(message(written))) == written


@given(st.lists(st.tuples(NUMBERS, HELD), min_size=1, max_size=4), st.data())
def test_what_is_cut_off_is_no_message_or_ends_with_a_field(
    written: list[tuple[int, int | bytes]], data: st.DataObject
) -> None:
    whole = message(written)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        assert list(fields(part)) == written[: len(list(fields(part)))]
    except NoMessage:
        assert len(part) > 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\x00\x00", "number 0", id="number"),
        pytest.param(b"\x0b\x0c", "unknown form 3", id="group"),
        pytest.param(b"\x0f", "unknown form 7", id="form"),
        pytest.param(b"\x08" + b"\xff" * 11, "no end", id="varint"),
        pytest.param(b"\x0a\xff\xff\xff\xff\x0f", "cut off", id="length-beyond-the-end"),
        pytest.param(b"\x09\x00", "cut off", id="double"),
    ],
)
def test_what_is_no_message(data: bytes, reason: str) -> None:
    with pytest.raises(NoMessage, match=reason):
        list(fields(data))
