import collections
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.pickling import ATTEMPTS, LARGEST_BYTES, TooLarge, Unpicklable, from_bytes, to_bytes

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
    max_leaves=8,
)


@given(values)
def test_values_come_back(value: Any) -> None:
    assert from_bytes(to_bytes(value)) == value


def test_containers_and_arrays_come_back() -> None:
    assert from_bytes(to_bytes(collections.deque([1, 2], maxlen=5))) == collections.deque([1, 2])
    array = np.arange(12.0).reshape(3, 4)[:, ::2]
    assert (from_bytes(to_bytes(array)) == array).all()


class Raises:
    def __init__(self, error: type[BaseException], times: int = 1000) -> None:
        self.error = error
        self.left = times

    def __getstate__(self) -> object:
        if self.left:
            self.left -= 1
            raise self.error
        return {"error": ValueError, "left": 0}


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        threading.Lock(),
        {"deep": [threading.Lock()]},
        lambda: None,
        (x for x in ()),
        deep(100_000),
        Raises(ValueError),
        Raises(RuntimeError),
        type("Local", (), {"__module__": "builtins"})(),
    ],
)
def test_what_lives_only_here_is_refused(value: Any) -> None:
    with pytest.raises(Unpicklable):
        to_bytes(value)


def test_value_that_changes_meanwhile_is_tried_again() -> None:
    assert isinstance(from_bytes(to_bytes(Raises(RuntimeError, ATTEMPTS - 1))), Raises)


def test_interruptions_pass() -> None:
    with pytest.raises(KeyboardInterrupt):
        to_bytes(Raises(KeyboardInterrupt))


@pytest.mark.parametrize("value", [b"x" * LARGEST_BYTES, [b"x" * 1000] * 10 + [bytes(n) for n in range(4000)]])
def test_too_large_a_value_is_refused(value: Any) -> None:
    with pytest.raises(TooLarge):
        to_bytes(value)
    assert from_bytes(to_bytes(b"x" * (LARGEST_BYTES - 100))) == b"x" * (LARGEST_BYTES - 100)
