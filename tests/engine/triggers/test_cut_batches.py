import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.payload import MOST_COMPACT_ROWS
from engine.host.batches import PayloadFiles, table_batches
from engine.host.protocol import TableBatch
from engine.triggers.isolation import cut_batches
from tests.support.plugins import table_batch


@given(st.data())
def test_a_batch_can_be_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 2 * MOST_COMPACT_ROWS), min_size=1, max_size=4))
    numbers = iter(range(sum(sizes)))
    payloads = [[{"time": next(numbers)} for _ in range(size)] for size in sizes]
    folder = tmp_path_factory.mktemp("p")
    batches = [table_batch(folder, {"time": "time"}, rows, rows, table=f"t{n}") for n, rows in enumerate(payloads)]
    total = 2 * sum(sizes)
    edges = [0, *sorted(data.draw(st.lists(st.integers(0, total), max_size=3))), total]
    parts = [cut_batches(batches, low, high) for low, high in itertools.pairwise(edges)]

    def seen(cut: list[TableBatch]) -> list[tuple[str, int]]:
        return [(b["table_name"], row["time"]) for b in table_batches(cut, PayloadFiles()) for row in b["rows"]]

    assert [row for part in parts for row in seen(part)] == seen(batches)
    assert [len(seen(part)) for part in parts] == [high - low for low, high in itertools.pairwise(edges)]
