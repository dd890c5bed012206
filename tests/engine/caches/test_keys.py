import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.caches.keys import KeyNumbers

TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "", "ü"]), st.integers(0, 400).map(str))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9), st.data())
def test_equal_combinations_have_equal_numbers(width: int, data: st.DataObject) -> None:
    keys = KeyNumbers([pa.string()] * width)
    numbered: dict[tuple[str | None, ...], int] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        rows = data.draw(st.lists(st.tuples(*[TEXTS] * width), min_size=1, max_size=60))
        columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(width)]
        numbers = keys.number(columns, len(rows))
        for row, number in zip(rows, numbers.tolist(), strict=True):
            assert numbered.setdefault(row, number) == number
    assert sorted(numbered.values()) == list(range(len(keys)))
    everything = np.arange(len(keys))
    shown = list(zip(*(keys.column(i, everything).to_pylist() for i in range(width)), strict=True))
    if width:
        assert {row: n for n, row in enumerate(shown)} == numbered


def test_columns_with_many_values_each_fit() -> None:
    count, width = 5000, 9
    keys = KeyNumbers([pa.string()] * width)
    columns = [pa.array([f"{(n * (i + 3)) % (count + i)}" for n in range(count)]) for i in range(width)]
    first = keys.number(columns, count)
    assert len(set(first.tolist())) == count
    assert (keys.number([c.dictionary_encode() for c in columns], count) == first).all()
    kept, numbers = keys.only(np.arange(0, count, 5))
    assert len(kept) == 1000
    assert kept.column(8, numbers).to_pylist() == columns[8].take(pa.array(keys_of(first, 5))).to_pylist()


def test_dictionaries_that_look_alike_are_told_apart() -> None:
    keys = KeyNumbers([pa.string()])
    texts = [["a", "b", "z"], ["a", "c", "z"], ["a", "b", "z"], ["a", None, "z"], [None, None, None]]
    numbered = [keys.number([pa.array(row).dictionary_encode()], 3).tolist() for row in texts * 2]
    assert numbered == [[0, 1, 2], [0, 3, 2], [0, 1, 2], [0, 4, 2], [4, 4, 4]] * 2


def keys_of(numbers: np.ndarray, step: int) -> list[int]:
    """Return the rows whose combinations have the numbers 0, ``step``, and so on."""
    rows = {number: row for row, number in enumerate(numbers.tolist())}
    return [rows[number] for number in range(0, len(numbers), step)]
