"""Decides which Parquet files of a table are read together, and which times of them are left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.model.durations import NS_PER_SECOND
from engine.storage.manifest import FileEntry
from engine.storage.ranges import Ranges, common, covers, joined, overlap, touches, without
from engine.storage.slices import SliceLimits

DAY_NS = 86_400 * NS_PER_SECOND

MOST_TOGETHER = 64
"""So many files are looked at anew in some 10 ms when one of them is replaced."""


@dataclass(frozen=True, slots=True)
class Group:
    """Files that are read together without the times in ``excluded``."""

    files: tuple[FileEntry, ...]
    excluded: Ranges = ()


def group_files(files: Iterable[FileEntry], excluded: Ranges) -> list[Group]:
    """Return how to read ``files`` without their holes and without the times in ``excluded``.

    The first two groups are those of files that are read whole. Up to ``MOST_TOGETHER`` of them are in the first one, for
    DataFusion finds the newest rows of one folder without reading older files, of two it reads both. Of more, those of the
    newest day are in the second one, so that what a query learnt of the many older files stays true while new files come.
    The other groups are few: files share one if no row of the one is in a hole of another. Files of which nothing is left
    are in none.
    """
    whole: list[FileEntry] = []
    partly: list[tuple[list[FileEntry], Ranges]] = []
    for file in files:
        if covers(excluded, file.min_time, file.max_time):
            continue
        if not file.holes and not touches(excluded, file.min_time, file.max_time):
            whole.append(file)
            continue
        for number, (members, holes) in enumerate(partly):
            if _fits(file, holes) and all(_fits(member, file.holes) for member in members):
                members.append(file)
                partly[number] = (members, joined([*holes, *file.holes]))
                break
        else:
            partly.append(([file], file.holes))
    groups = [Group(tuple(members), joined([*holes, *_near(members, excluded)])) for members, holes in partly]
    if len(whole) <= MOST_TOGETHER:
        return [Group(tuple(whole)), Group(()), *groups]
    day = max(file.max_time for file in whole) // DAY_NS * DAY_NS
    older = tuple(file for file in whole if file.max_time < day)
    return [Group(older), Group(tuple(file for file in whole if file.max_time >= day)), *groups]


def _fits(file: FileEntry, holes: Ranges) -> bool:
    """Return whether no row of ``file`` that counts is in ``holes`` of others."""
    foreign = overlap(holes, file.min_time, file.max_time)
    return not foreign or not without(foreign, file.holes)


def _near(files: Sequence[FileEntry], excluded: Ranges) -> Ranges:
    return joined(part for file in files for part in overlap(excluded, file.min_time, file.max_time))


@dataclass(frozen=True, slots=True)
class Taken:
    """What new rows take out of a file: the rows at ``times``; ``is_whole``: all that are left, so the file goes."""

    file: FileEntry
    times: Ranges
    is_whole: bool


def decide_taken(files: Iterable[FileEntry], late: Ranges, limits: SliceLimits) -> list[Taken]:
    """Return what is taken out of ``files`` when rows at the times in ``late`` are merged with theirs."""
    found = []
    for file in files:
        taken = common(overlap(late, file.min_time, file.max_time), without(_span(file), file.holes))
        if not taken:
            continue
        is_whole = (
            file.row_count <= limits.small_rows
            or covers(taken, file.min_time, file.max_time)
            or len(joined([*file.holes, *taken])) > limits.most_holes
        )
        found.append(Taken(file, _span(file) if is_whole else taken, is_whole))
    return found


def _span(file: FileEntry) -> Ranges:
    return ((file.min_time, file.max_time),)
