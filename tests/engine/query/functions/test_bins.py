import numpy as np
import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.query.functions.bins import Bins, Run

SESSION = SessionContext()


def asked(text: str) -> int:
    return int(SESSION.sql(f"SELECT CAST({text} AS BIGINT) AS v").to_arrow_table()["v"][0].as_py())


@pytest.mark.parametrize(
    ("times", "runs"),
    [
        ([], [Run(0, 0, 1)]),
        ([7], [Run(0, 7, 1)]),
        ([0, 10, 20, 30], [Run(0, 0, 10)]),
        ([0, 10, 20, 50, 60, 70], [Run(0, 0, 10), Run(3, 50, 10)]),
        ([0, 31, 59, 90], [Run(0, 0, 31), Run(2, 59, 31)]),
    ],
)
def test_equal_distances_make_a_run(times: list[int], runs: list[Run]) -> None:
    assert Bins.listed(np.array(times, np.int64)) == Bins(len(times), runs)


@settings(max_examples=30)
@given(steps=st.lists(st.sampled_from([1, 10, 23, 24, 25]), min_size=1, max_size=30), first=st.integers(-1000, 1000))
def test_each_bin_has_its_number_and_each_number_its_bin(steps: list[int], first: int) -> None:
    times = np.cumsum([first, *steps])
    bins = Bins.listed(times)
    for number in {0, len(steps) // 2, len(steps)}:
        time = int(times[number])
        assert asked(bins.number_of(f"arrow_cast({time}, 'Timestamp(Nanosecond, None)')")) == number
        assert asked(bins.time_of(str(number))) == time


@pytest.mark.parametrize(("last", "count"), [(-1, 0), (0, 1), (9, 1), (10, 2)])
def test_even_bins_are_counted(last: int, count: int) -> None:
    assert Bins.even(0, last, 10).count == count
