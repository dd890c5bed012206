import pytest

from engine.storage.truncation import LogRetention, Reader, SealedSegment, Truncation, decide_truncation

DAY_NS = 86_400 * 10**9
KEEP = LogRetention(most_bytes=1000, most_age_ns=DAY_NS)
NOW = 10 * DAY_NS


def segment(last: int, *tables: int, size: int = 100, age_ns: int = 0) -> SealedSegment:
    return SealedSegment(last, size, NOW - age_ns, frozenset(tables))


@pytest.mark.parametrize(
    ("segments", "stored_until", "readers", "expected"),
    [
        pytest.param([], 9, [], Truncation(0), id="nothing is there"),
        pytest.param([segment(5, 1)], 4, [], Truncation(0), id="not stored yet"),
        pytest.param([segment(5, 1), segment(9, 1)], 5, [], Truncation(5), id="what is stored goes"),
        pytest.param([segment(5, 1)], 9, [Reader(7, 4, {1})], Truncation(0), id="a reader is behind"),
        pytest.param([segment(5, 1)], 9, [Reader(7, 5, {1})], Truncation(5), id="a reader is just past it"),
        pytest.param([segment(5, 1)], 9, [Reader(7, 0, {2})], Truncation(5), id="a reader of other tables"),
        pytest.param(
            [segment(5, 1), segment(8, 2)], 9, [Reader(7, 0, {1})], Truncation(0), id="no gap: the oldest holds all"
        ),
        pytest.param(
            [segment(5, 1, size=900), segment(8, 1, size=200)],
            9,
            [Reader(7, 0, {1})],
            Truncation(5, (7,)),
            id="too large: the oldest goes, and it is told who missed it",
        ),
        pytest.param(
            [segment(5, 1, age_ns=2 * DAY_NS), segment(8, 1)],
            9,
            [Reader(7, 0, {1}), Reader(8, 5, {1})],
            Truncation(5, (7,)),
            id="too old: goes",
        ),
        pytest.param(
            [segment(5, 1, size=900), segment(8, 1, size=200)],
            9,
            [Reader(7, 0, {1}, reading_from=3)],
            Truncation(0),
            id="too large, and a run works on the oldest",
        ),
        pytest.param(
            [segment(5, 1, age_ns=DAY_NS + 1), segment(8, 1)],
            9,
            [Reader(7, 0, {1}, reading_from=5)],
            Truncation(0),
            id="too old, and a run works on its last record",
        ),
        pytest.param(
            [segment(5, 1, size=900), segment(8, 1, size=200)],
            9,
            [Reader(7, 0, {1}, reading_from=6)],
            Truncation(5, (7,)),
            id="too large, and a run works on what stands behind it",
        ),
        pytest.param(
            [segment(5, 1, size=1900), segment(8, 1, size=200)],
            9,
            [Reader(7, 0, {1}, reading_from=3)],
            Truncation(5, (7,)),
            id="twice too large: no run holds the log for ever",
        ),
        pytest.param(
            [segment(5, 1, size=5000)], 4, [], Truncation(0), id="retention never takes what is stored nowhere else"
        ),
    ],
)
def test_what_may_go(
    segments: list[SealedSegment], stored_until: int, readers: list[Reader], expected: Truncation
) -> None:
    assert decide_truncation(segments, stored_until, readers, KEEP, NOW) == expected
