"""A scripted plugin that copies each row once and counts rows in its cache, and what must hold of its traces."""

import itertools
from collections import Counter
from collections.abc import Iterable

from engine.errors import EngineError
from engine.host.batches import PayloadFiles, table_batches
from engine.storage.consumers import namespace_of
from tests.support.node import Node
from tests.support.scripted_executor import StartedRun

_effects = itertools.count()


def copy_rows(begun: StartedRun) -> int:
    """End a run as a plugin that writes a row with a key of its own for each row, and adds their number to its counter."""
    batches = table_batches(begun.run.batches, PayloadFiles())
    values = [row["v"] for batch in batches for row in batch["rows"]]
    counted = int(begun.state.get("counted") or b"0") + len(values)
    lines = [f"copies,effect=e{next(_effects)} v={value} {int(value)}" for value in values]
    begun.succeed_with_state("counted", str(counted).encode(), *lines)
    return len(values)


def drain(node: Node) -> None:
    """Let the copier work off everything that waits."""
    while node.executor.waiting:
        copy_rows(node.executor.next())
        node.settle()


def values_of(node: Node, table: str) -> list[float]:
    """Return the values in ``table``, sorted; none if it is not there."""
    try:
        return sorted(r["v"] for r in node.rows(f"SELECT v FROM {table}"))
    except EngineError:
        return []


def counter_of(node: Node) -> int:
    """Return what the copier's counter says after its last committed run."""
    (consumer,) = node.engine.store.consumers.open_ones()
    sync = node.engine.store.consumers.namespace(namespace_of(consumer.trigger_id, consumer.generation), 0)
    return int(sync.values[0].pickled or b"0") if sync and sync.values else 0


def check_once(node: Node, acknowledged: Iterable[float], submitted: Iterable[float]) -> None:
    """Hold that every acknowledged row is there, none that was never sent, and each was copied and counted once."""
    stored = values_of(node, "a")
    copies = values_of(node, "copies")
    assert set(acknowledged) <= set(stored) <= set(submitted)
    assert Counter(copies) == Counter(stored)
    assert counter_of(node) == len(stored)
