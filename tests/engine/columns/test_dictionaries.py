from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.dictionaries import MOST_KEPT, ByDictionary

texts = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=4)


@given(st.lists(texts, max_size=30))
def test_each_dictionary_gets_what_was_made_of_an_equal_one(dictionaries: list[list[Any]]) -> None:
    kept: ByDictionary[list[Any]] = ByDictionary()
    for values in dictionaries:
        assert kept.of(pa.array(values, pa.string()), list) == values


def test_what_is_made_of_a_dictionary_is_made_once() -> None:
    kept: ByDictionary[int] = ByDictionary()
    made: list[list[Any]] = []
    whole = pa.array(["x", "a", "b", "y"])
    for _ in range(3):
        kept.of(whole.slice(1, 2), lambda values: made.append(values) or 0)  # type: ignore[func-returns-value]
        kept.of(pa.array(["a", "b"]), lambda values: made.append(values) or 0)  # type: ignore[func-returns-value]
    assert made == [["a", "b"]]
    for number in range(MOST_KEPT + 5):
        kept.of(pa.array([str(number)]), len)
    assert kept.size_bytes < 20 * MOST_KEPT, "those that came first are gone"
