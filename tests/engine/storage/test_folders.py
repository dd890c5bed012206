"""Which files are read together, and what new rows take out of them."""

import pytest

from engine.storage.folders import DAY_NS, MOST_TOGETHER, decide_taken, group_files
from engine.storage.manifest import FileEntry
from engine.storage.ranges import Range, Ranges
from engine.storage.slices import SliceLimits

LIMITS = SliceLimits(small_rows=10, most_holes=2)


def file(name: str, first: int, last: int, *holes: Range, rows: int = 100) -> FileEntry:
    return FileEntry(name, 1, first, 1, 2, rows, first, last, 1000, 0, 2, holes, len(holes))


OLDER = [file("a", 0, 9)] * MOST_TOGETHER


@pytest.mark.parametrize(
    ("files", "excluded", "expected"),
    [
        pytest.param([], (), ["", ""], id="nothing"),
        pytest.param([file("a", 0, 9), file("b", 5, 20)], (), ["ab", ""], id="whole"),
        pytest.param([file("a", 0, 9), file("b", DAY_NS, DAY_NS + 1)], (), ["ab", ""], id="few-of-two-days"),
        pytest.param(
            [*OLDER, file("b", DAY_NS, DAY_NS + 1)], (), ["a" * MOST_TOGETHER, "b"], id="many-and-the-newest-day"
        ),
        pytest.param([*OLDER, file("b", 0, 9)], (), ["", "a" * MOST_TOGETHER + "b"], id="many-of-one-day"),
        pytest.param([file("a", 0, 9), file("b", 20, 29)], ((5, 6),), ["b", "", "a 5-6"], id="a-window-in-memory"),
        pytest.param([file("a", 0, 9)], ((0, 9),), ["", ""], id="nothing-is-left"),
        pytest.param(
            [file("a", 0, 9, (1, 2)), file("b", 20, 29, (21, 22))], (), ["", "", "ab 1-2 21-22"], id="holes-apart"
        ),
        pytest.param(
            [file("a", 0, 9, (1, 2)), file("b", 0, 9, (5, 6))], (), ["", "", "a 1-2", "b 5-6"], id="a-row-in-a-hole"
        ),
        pytest.param(
            [file("a", 0, 9, (1, 2)), file("b", 0, 9, (1, 4))], (), ["", "", "a 1-2", "b 1-4"], id="a-larger-hole"
        ),
        pytest.param(
            [file("a", 0, 9, (1, 2)), file("b", 4, 9)], ((6, 7),), ["", "", "ab 1-2 6-7"], id="hole-and-window"
        ),
    ],
)
def test_how_files_are_read(files: list[FileEntry], excluded: Ranges, expected: list[str]) -> None:
    found = [
        " ".join(["".join(f.name for f in group.files), *(f"{first}-{last}" for first, last in group.excluded)])
        for group in group_files(files, excluded)
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("one", "late", "expected"),
    [
        pytest.param(file("a", 0, 9), ((20, 29),), None, id="elsewhere"),
        pytest.param(file("a", 0, 9), ((8, 29),), (((8, 9),), False), id="a-hole"),
        pytest.param(file("a", 0, 9), ((-5, 29),), (((0, 9),), True), id="all-of-it"),
        pytest.param(file("a", 0, 9, rows=10), ((8, 29),), (((0, 9),), True), id="small"),
        pytest.param(file("a", 0, 9, (8, 9)), ((8, 29),), None, id="in-a-hole"),
        pytest.param(file("a", 0, 9, (5, 5)), ((4, 6),), (((4, 4), (6, 6)), False), id="around-a-hole"),
        pytest.param(file("a", 0, 9, (1, 1), (3, 3)), ((7, 7),), (((0, 9),), True), id="too-many-holes"),
    ],
)
def test_what_new_rows_take(one: FileEntry, late: Ranges, expected: tuple[Ranges, bool] | None) -> None:
    found = [(taken.times, taken.is_whole) for taken in decide_taken([one], late, LIMITS)]
    assert found == ([] if expected is None else [expected])
