import pyarrow as pa
import pytest

from engine.columns.types import TAG_TYPE, arrow_field, with_true_type
from engine.model.schema import Column, ColumnType


@pytest.mark.parametrize("kind", list(ColumnType))
def test_a_column_keeps_the_name_of_its_type(kind):
    field = arrow_field(Column("x", kind))
    assert with_true_type(field).equals(field, check_metadata=True)


@pytest.mark.parametrize(
    ("kind", "type_", "is_kept"),
    [
        pytest.param("tag", pa.string(), True, id="tag-as-it-travels"),
        pytest.param("tag", TAG_TYPE, True, id="tag"),
        pytest.param("tag", pa.int64(), False, id="tag-cast-to-a-number"),
        pytest.param("timestamp", pa.timestamp("ns", "Europe/Berlin"), True, id="time-with-a-zone"),
        pytest.param("timestamp", pa.timestamp("s"), False, id="time-of-another-unit"),
        pytest.param("timestamp", pa.int64(), False, id="time-cast-to-a-number"),
        pytest.param("field::float", pa.string(), False, id="number-cast-to-text"),
        pytest.param("field::integer", pa.uint64(), False, id="another-number"),
        pytest.param("what", pa.string(), False, id="no-such-type"),
    ],
)
def test_the_name_of_a_type_goes_with_the_type(kind, type_, is_kept):
    named = {b"iox::column::type": f"iox::column_type::{kind}".encode()}
    field = pa.field("x", type_, nullable=False, metadata=named | {b"k": b"v"})
    assert with_true_type(field).metadata == ((named if is_kept else {}) | {b"k": b"v"})
    assert not with_true_type(field).nullable


def test_a_field_without_metadata_stays():
    assert with_true_type(pa.field("x", pa.int8())).equals(pa.field("x", pa.int8()), check_metadata=True)
