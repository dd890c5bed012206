import pytest

from engine.storage.pace import Pace

S = 1_000_000_000


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([], 0, id="nobody-looked"),
        pytest.param([(500, 7)], 0, id="once"),
        pytest.param([(500, 7), (700, 7)], 200 * S, id="a-clock-that-stood-still"),
        pytest.param([(0, 0), (500, S // 2)], 1000, id="half-a-second"),
        pytest.param([(0, 0), (900, S), (1000, 2 * S)], 500, id="the-mean"),
        pytest.param([(10**9, 0), *((10**9 + n, n * S) for n in range(1, 6))], 1, id="what-is-long-ago-does-not-count"),
    ],
)
def test_the_pace_is_that_of_the_last_looks(looks: list[tuple[int, int]], expected: float) -> None:
    pace = Pace()
    for total_bytes, now_ns in looks:
        pace.look(total_bytes, now_ns)
    assert pace.bytes_per_s == expected
