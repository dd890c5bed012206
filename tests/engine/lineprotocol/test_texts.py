import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lineprotocol.escape import quote_string, unescape_string
from engine.lineprotocol.texts import Texts, parts_of, without_escapes
from engine.lineprotocol.tokens import scan

BODY = "m,t=a f=1.5\nm,t=ä f=22\n".encode()


def texts():
    return Texts(scan(BODY, 1000))


def between(begins, stops):
    return texts().between(np.array(begins, np.int64), np.array(stops, np.int64))


@pytest.mark.parametrize(
    ("begins", "stops", "found"),
    [
        ([0, 4, 18], [1, 7, 20], ["m", "a f", " f"]),
        ([18, 0], [20, 1], [" f", "m"]),
        ([3, 5], [3, 4], ["", ""]),
        ([], [], []),
    ],
)
def test_texts_between_positions(begins, stops, found):
    assert between(begins, stops).to_pylist() == found


def test_more_texts_than_are_usual():
    assert between([2] * 70_000, [3] * 70_000).to_pylist() == ["t"] * 70_000


def test_tokens_with_their_separators():
    assert texts().of_tokens(np.array([0, 4, 9])).to_pylist() == [b"m,", b"1.5\n", b"22\n"]


def test_parts_of_nothing():
    offsets, data = parts_of(between([], []))
    assert (offsets.tolist(), data.tolist()) == ([0], [])


def gathered(strings):
    return pa.array(strings, pa.string())


@given(st.lists(st.text(alphabet='\\"aé'), min_size=1))
def test_escapes_go_as_in_a_single_string(strings):
    escaped = [quote_string(text)[1:-1] for text in strings]
    assert without_escapes(gathered(escaped)).to_pylist() == strings


@given(st.lists(st.text(alphabet='\\"aé').filter(lambda t: (len(t) - len(t.rstrip("\\"))) % 2 == 0), min_size=1))
def test_backslashes_that_escape_nothing_stay(strings):
    assert without_escapes(gathered(strings)).to_pylist() == [unescape_string(text) for text in strings]
