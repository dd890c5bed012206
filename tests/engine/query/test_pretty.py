import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.query.pretty import box_table, display_width
from tests.support.tables import RustWriters


def test_cells_are_as_wide_as_the_widest_of_their_column() -> None:
    batch = pa.record_batch({"host": ["a", None], "usage": [0.9, 2.0]})
    assert box_table(["host", "usage"], [batch.slice(0, 1), batch.slice(1)]).decode() == (
        "+------+-------+\n| host | usage |\n+------+-------+\n| a    | 0.9   |\n|      | 2.0   |\n+------+-------+"
    )


def test_nothing_has_an_empty_box_and_no_rows_a_header() -> None:
    assert box_table(["a"], []) == b"++\n++"
    no_rows = pa.record_batch({"a": pa.array([], pa.int64())})
    assert box_table(["a"], [no_rows]) == b"+---+\n| a |\n+---+\n+---+"


def test_a_cell_with_line_breaks_takes_several_lines() -> None:
    batch = pa.record_batch({"n": ["a\n\nbc", "\n"], "q": [1, 2]})
    assert box_table(["h\ni", "q"], [batch]).decode() == (
        "+----+---+\n| h  | q |\n| i  |   |\n+----+---+\n"
        "| a  | 1 |\n|    |   |\n| bc |   |\n|    | 2 |\n|    |   |\n+----+---+"
    )


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("é", 1),
        ("e\u0301", 1),
        ("日本", 4),
        ("😀", 2),
        ("👨\u200d👩\u200d👧", 2),
        ("❤\ufe0f", 2),
        ("a\ufe0f", 1),
        ("👍🏽", 2),
        ("1\ufe0f\u20e3", 2),
        ("a\u200bb", 2),
        ("\t\x00\x1b", 3),
        ("\u1112\u1161\u11ab", 2),
    ],
)
def test_width_is_that_on_a_screen(text: str, width: int) -> None:
    assert display_width(text) == width


LETTERS = st.sampled_from('ab "|\té日本😀½①ﷺ\u0301\u200b\n\x7f')


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.one_of(st.none(), st.text(LETTERS, max_size=8)), min_size=1, max_size=12))
def test_boxes_read_as_those_of_the_rust_writer(
    capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]
) -> None:
    batch = pa.record_batch({"some text": texts, "日 n": pa.array(range(len(texts)), pa.float64())})
    RustWriters(tmp_path_factory.getbasetemp()).print_box(batch)
    assert box_table(batch.schema.names, [batch]).decode() == capfd.readouterr().out.removeprefix("DataFrame()\n")[:-1]
