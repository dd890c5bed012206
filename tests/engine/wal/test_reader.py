import threading
from collections.abc import Container
from pathlib import Path

import pytest

from engine.disk import RealDisk
from engine.errors import WalCorrupt
from engine.wal.index import TableTotals
from engine.wal.ports import Entry, WalConfig
from engine.wal.reader import WalReader
from engine.wal.wal import Wal
from tests.support.wal import (
    OTHER_TABLE,
    SMALL,
    TABLE,
    TRIGGER,
    LogSetup,
    commit,
    flip,
    opened,
    payload,
    rows,
    segments,
    write,
    write_log,
)

LARGE = "x" * 500


def read(
    reader: WalReader, position: int = 0, tables: Container[int] = (TABLE,), limit: int | None = None
) -> list[str]:
    """Return the rows that ``rows_after`` refers to, as their files hold them, without the filling."""
    found = []
    for ref in reader.rows_after(position, tables, limit):
        data = Path(ref.location.path).read_bytes()[ref.location.offset :][: ref.location.length]
        found.append(data.decode().removesuffix(LARGE))
    return found


def test_rows_are_found_from_a_position_on(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        for text in "abcdefgh":
            write(wal, rows(text + LARGE))
        assert [read(wal.reader, position) for position in (0, 3, 7, 8, 100)] == [
            list("abcdefgh"),
            list("defgh"),
            ["h"],
            [],
            [],
        ]
        assert wal.reader.head == 8


def test_rows_of_other_tables_are_left_out(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        write(wal, rows("a"), rows("b", OTHER_TABLE))
        write(wal, commit(payload("c", OTHER_TABLE), payload("d")))
        assert read(wal.reader) == ["a", "d"]
        assert read(wal.reader, tables={OTHER_TABLE}) == ["b", "c"]
        assert read(wal.reader, tables={TABLE, OTHER_TABLE}) == list("abcd")
        assert read(wal.reader, tables=()) == []


def test_a_reference_tells_what_the_record_said(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        write(wal, rows("abc"), commit(payload("output", OTHER_TABLE, 4, (TRIGGER,))))
        first, second = wal.reader.rows_after(0, (TABLE, OTHER_TABLE))
        assert (first.position, first.table_id, first.version, first.row_count, first.encoding, first.chain) == (
            (1, TABLE, 3, 1, 1, ())
        )
        assert (second.position, second.row_count, second.chain) == (2, 4, (TRIGGER,))
        assert first.location.length == 3


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(1, ["a"], id="first-record"),
        pytest.param(2, ["a", "b", "c"], id="a-record-is-given-whole"),
        pytest.param(3, ["a", "b", "c"], id="reached-within-a-record"),
        pytest.param(4, ["a", "b", "c", "d"], id="one-more"),
        pytest.param(None, ["a", "b", "c", "d", "e"], id="no-limit"),
    ],
)
def test_a_limit_ends_behind_whole_records(tmp_path: Path, limit: int | None, expected: list[str]) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        write(wal, rows("a"))
        write(wal, commit(payload("b"), payload("no", OTHER_TABLE), payload("c")))
        write(wal, rows("d"))
        write(wal, rows("e"))
        assert read(wal.reader, limit=limit) == expected


def test_old_segments_are_read_after_a_start(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows(f"{n}{LARGE}")] for n in range(10)])
    with opened(RealDisk(), tmp_path) as wal:
        write(wal, rows("new"))
        assert read(wal.reader) == [*map(str, range(10)), "new"]
        assert read(wal.reader, 8) == ["8", "9", "new"]
        assert wal.reader.head == 11


def test_what_nobody_was_told_is_not_read(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows("first")], [rows("torn")]])
    [segment] = segments(tmp_path)
    flip(segment, 4096 + 256 + 100)
    with opened(RealDisk(), tmp_path) as wal:
        assert read(wal.reader) == ["first"]


def test_only_a_few_indexes_of_old_segments_stay_in_memory(tmp_path: Path) -> None:
    config = WalConfig(segment_bytes=SMALL.segment_bytes, cached_indexes=2)
    write_log(tmp_path, [[rows(f"{n}{LARGE}")] for n in range(9)], config)

    def cached(wal: Wal) -> list[int]:
        return [s.first_position for s in wal.reader.segments if s.index is not None]

    with opened(RealDisk(), tmp_path, LogSetup(config)) as wal:
        assert cached(wal) == [10]
        assert read(wal.reader) == [*map(str, range(9))]
        assert cached(wal) == [4, 7, 10]
        assert read(wal.reader, 0, limit=1) == ["0"]
        assert cached(wal) == [1, 7, 10]
        assert read(wal.reader, 7) == ["7", "8"]
        assert read(wal.reader, 3, limit=1) == ["3"]
        assert cached(wal) == [4, 7, 10]
        for n in range(9, 16):
            write(wal, rows(f"{n}{LARGE}"))
        assert cached(wal) == [10, 13, 16]
        assert read(wal.reader) == [*map(str, range(16))]


def test_a_damaged_old_segment_is_named_to_its_reader(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows(f"{n}{LARGE}")] for n in range(7)])
    flip(segments(tmp_path)[0], 4096 + 200)
    with opened(RealDisk(), tmp_path, LogSetup(after=3)) as wal:
        assert read(wal.reader, 3) == ["3", "4", "5", "6"]
        with pytest.raises(WalCorrupt, match=f"{segments(tmp_path)[0]} at offset 4096"):
            read(wal.reader)


def test_an_old_segment_that_somebody_took_away_is_named_to_its_reader(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows(f"{n}{LARGE}")] for n in range(7)])
    with opened(RealDisk(), tmp_path) as wal:
        segments(tmp_path)[0].unlink()
        with pytest.raises(WalCorrupt, match="is missing"):
            read(wal.reader)


def test_segments_that_go_while_they_are_read_end_the_reading_in_good_order(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows(f"{n}{LARGE}")] for n in range(7)])
    with opened(RealDisk(), tmp_path) as wal:
        refs = wal.reader.rows_after(0, (TABLE,))
        first = next(refs)
        view = RealDisk().map(Path(first.location.path))
        wal.remove_before(7)
        assert bytes(view[first.location.offset :][:1]) == b"0"
        assert [ref.position for ref in refs] == [2, 3, 7], "the segment that it reads, and those that are there"
        assert [ref.position for ref in wal.reader.rows_after(0, (TABLE,))] == [7]


def test_rows_are_read_in_order_and_whole_while_others_are_written(tmp_path: Path) -> None:
    seen: list[int] = []

    with opened(RealDisk(), tmp_path) as wal:

        def follow() -> None:
            while len(seen) < 600:
                after = seen[-1] if seen else 0
                seen.extend(ref.position for ref in wal.reader.rows_after(after, (TABLE,), 7))

        reader = threading.Thread(target=follow)
        reader.start()
        pair = commit(payload("a"), payload("b"))
        futures = [wal.append(Entry([pair])) for _ in range(300)]
        positions = [position for future in futures for position in future.result(timeout=10)]
        reader.join()
    assert seen == [position for position in positions for _ in "ab"]


def test_old_segments_are_at_hand_when_they_were_loaded(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows(text + LARGE)] for text in "abcdefgh"])
    with opened(RealDisk(), tmp_path) as wal:
        assert wal.reader.rows_at_hand(0, (TABLE,), 100) is None
        assert wal.reader.rows_at_hand(0, (), 100) is None, "nobody knows yet which tables they hold"
        wal.reader.load(0, (TABLE,))
        first = wal.reader.rows_at_hand(0, (TABLE,), 100)
        assert first is not None
        assert first == list(wal.reader.rows_after(0, (TABLE,)))[: len(first)]
        assert wal.reader.rows_at_hand(wal.reader.head, (TABLE,), 100) == []
        assert wal.reader.rows_at_hand(0, (TABLE,), 1) == first[:1]


def test_load_goes_past_a_segment_whose_rows_are_below_the_position(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        (done,) = write(wal, rows("a"))
        write(wal, rows("b", OTHER_TABLE))
        wal.rotate().result(5)
        write(wal, rows("c"))
        wal.rotate().result(5)
    with opened(RealDisk(), tmp_path) as wal:
        for _ in range(2):
            wal.reader.load(done, (TABLE,))
        found = wal.reader.rows_at_hand(done, (TABLE,), 100)
        assert found is not None
        assert [ref.position for ref in found] == [done + 2]


def test_load_goes_on_to_the_segment_that_concerns_the_reader(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        for text in "abc":
            write(wal, rows(text + LARGE))
            wal.rotate().result(5)
        write(wal, rows("d", OTHER_TABLE))
        wal.rotate().result(5)
    with opened(RealDisk(), tmp_path) as wal:
        wal.reader.load(0, (OTHER_TABLE,))
        found = wal.reader.rows_at_hand(0, (OTHER_TABLE,), 100)
        assert found is not None
        assert [ref.table_id for ref in found] == [OTHER_TABLE]


@pytest.mark.parametrize("span", [(1, 8), (3, 6), (4, 4), (9, 20), (0, 3)])
def test_totals_are_those_of_the_rows_between(tmp_path: Path, span: tuple[int, int]) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        for text in "abcdefgh":
            write(wal, rows(text + LARGE, row_count=3))
        for _ in range(2):  # the second time from what is remembered of whole segments
            inside = [r for r in wal.reader.rows_after(0, (TABLE,)) if span[0] <= r.position <= span[1]]
            expected = {TABLE: TableTotals(3 * len(inside), len(inside), inside[0].position)} if inside else {}
            assert wal.reader.totals(*span) == expected
