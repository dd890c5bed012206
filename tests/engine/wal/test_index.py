from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from engine.wal.format import PayloadAt
from engine.wal.index import SegmentIndex, TableTotals

_steps = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(1, 4), min_size=1, max_size=3)), min_size=1, max_size=40
)


def at(position: int, table_id: int, chain: tuple[int, ...] = ()) -> PayloadAt:
    return PayloadAt(position, table_id, position * 64, 10, 3, 2, 1, chain)


@given(_steps, st.integers(0, 100), st.frozensets(st.integers(1, 4)), st.sampled_from([1, 80]))
def test_an_index_finds_what_a_plain_list_would(
    steps: list[tuple[int, list[int]]], position: int, table_ids: frozenset[int], times: int
) -> None:
    index, model, last = SegmentIndex(), [], 0
    for skipped, tables in steps * times:
        last += 1 + skipped
        payloads = [at(last, table_id, (table_id,)) for table_id in tables]
        index.extend(payloads)
        model += payloads
    assert list(index.payloads_after(position, table_ids)) == [
        p for p in model if p.position > position and p.table_id in table_ids
    ]
    assert index.tables == {p.table_id: p.position for p in model}


@given(_steps, st.integers(0, 60), st.integers(0, 60), st.sampled_from([1, 80]))
def test_totals_are_those_of_a_plain_list(
    steps: list[tuple[int, list[int]]], first: int, span: int, times: int
) -> None:
    index, model, last = SegmentIndex(), [], 0
    for skipped, tables in steps * times:
        last += 1 + skipped
        payloads = [at(last, table_id) for table_id in tables]
        index.extend(payloads)
        model += payloads
    inside = [p for p in model if first <= p.position <= first + span]
    assert index.totals(first, first + span) == {
        table_id: TableTotals(
            sum(p.row_count for p in inside if p.table_id == table_id),
            sum(p.table_id == table_id for p in inside),
            min(p.position for p in inside if p.table_id == table_id),
        )
        for table_id in {p.table_id for p in inside}
    }


def test_an_empty_index_holds_nothing() -> None:
    assert list(SegmentIndex().payloads_after(0, {1})) == []


def test_every_field_is_kept() -> None:
    index = SegmentIndex()
    kept = PayloadAt(2**63, 2**52 - 1, 2**40, 2**33, 70_000, 2**32 - 1, 2, (5, 2**52 - 1))
    index.extend([kept, structs.replace(kept, chain=())])
    assert list(index.payloads_after(0, {2**52 - 1})) == [kept, structs.replace(kept, chain=())]


def test_payloads_of_one_record_become_visible_together() -> None:
    index = SegmentIndex()
    seen = []

    def look() -> object:
        seen.append(list(index.payloads_after(0, {1})))
        yield at(1, 1)
        seen.append(list(index.payloads_after(0, {1})))
        yield at(1, 1)

    index.extend(look())
    assert seen == [[], []]
    assert len(list(index.payloads_after(0, {1}))) == 2
