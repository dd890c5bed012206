import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.host.batches import PayloadFiles, table_batches
from engine.host.protocol import Done, NamespaceChange, Run, StateValue
from tests.support.disk import CrashingDisk
from tests.support.node import DATABASE, Node
from tests.support.scripted_executor import StartedRun

RETRIES_S = (0.1, 0.2, 0.4, 0.8)
LETTERS = "SELECT rows, attempts, error, input, table_name FROM system.processing_engine_dead_letters ORDER BY time"
OUTPUT = "SELECT v FROM out ORDER BY time"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node", disk=CrashingDisk(tmp_path / "node"))
    node.trigger("t", "table:a", error_behavior="retry")
    yield node
    if not node.is_crashed:
        node.close()


def values(run: Run) -> list[int]:
    """The rows of a run, by their field v."""
    return [row["v"] for batch in table_batches(run.batches, PayloadFiles()) for row in batch["rows"]]


def write(node: Node, numbers: Collection[int], table: str = "a") -> None:
    """Write rows as one record of the log."""
    node.write("\n".join(f"{table} v={n}i {n}" for n in numbers))


def five_attempts(node: Node) -> None:
    node.executor.next().fail()
    for delay_s in RETRIES_S:
        node.advance(delay_s)
        node.executor.next().fail()


def finish(begun: StartedRun, poison: Collection[int]) -> bool:
    """End a run as a plugin that cannot take the rows ``poison``; return whether it could."""
    found = values(begun.run)
    bad = [value for value in found if value in poison]
    if bad:
        begun.fail(f"ValueError: {bad[0]}")
    else:
        begun.succeed(*(f"out v={value}i {value}" for value in found))
    return not bad


def isolate(node: Node, poison: Collection[int], rows: int) -> list[list[int]]:
    """Let the parts of a batch of ``rows`` rows be tried; return what each run was given."""
    tried: list[list[int]] = []
    done = 0
    while done < rows:
        begun = node.executor.next()
        tried.append(values(begun.run))
        if finish(begun, poison) or len(tried[-1]) == 1:
            done += len(tried[-1])
    node.settle()
    return tried


def letters(node: Node) -> list[dict[str, Any]]:
    """The dead letters, with the values of their rows for their input."""
    return [
        row | {"input": [r["v"] for r in json.loads(row["input"])["rows"]] if row["input"] else None}
        for row in node.rows(LETTERS)
    ]


def test_only_poisonous_rows_become_dead_letters(node: Node) -> None:
    write(node, range(1, 9))
    five_attempts(node)
    tried = isolate(node, {3, 8}, rows=8)
    assert tried == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4], [5, 6, 7, 8], [5, 6], [7, 8], [7], [8]]
    assert [row["v"] for row in node.rows(OUTPUT)] == [1, 2, 4, 5, 6, 7]
    assert letters(node) == [
        {"rows": 1, "attempts": 8, "error": "ValueError: 3", "input": [3], "table_name": "a"},
        {"rows": 1, "attempts": 8, "error": "ValueError: 8", "input": [8], "table_name": "a"},
    ]
    runs = node.rows("SELECT attempt, rows_in, outcome FROM system.processing_engine_runs ORDER BY attempt")
    assert [(r["attempt"], r["rows_in"]) for r in runs[:15]] == [
        *((n, 8) for n in range(1, 6)),
        *((6 + i, len(part)) for i, part in enumerate(tried)),
    ]


def test_all_of_it_is_one_record_of_the_log(node: Node) -> None:
    write(node, range(4))
    five_attempts(node)
    node.settle()
    before = node.engine.wal.next_position
    isolate(node, {2}, rows=4)
    new_tables = len(("out", "processing_engine_dead_letters"))
    assert node.engine.wal.next_position - before == new_tables + len(("the commit", "rows of settle"))


def test_rows_are_counted_through_the_tables_of_a_batch(node: Node) -> None:
    node.engine.delete_trigger(DATABASE, "t", force=True)
    node.trigger("t", "all_tables", error_behavior="retry")
    node.write("a v=1i 1\na v=2i 2\nb v=3i 3\nb v=4i 4\nc v=5i 5")
    five_attempts(node)
    assert isolate(node, {3}, rows=5) == [[1, 2], [3, 4, 5], [3], [4, 5]]
    assert [(letter["table_name"], letter["input"]) for letter in letters(node)] == [("b", [3])]


def test_when_nothing_passes_the_batch_is_dead_lettered_whole(node: Node) -> None:
    write(node, range(10_000))
    five_attempts(node)
    calls = 0
    while calls < 64:
        node.executor.next().fail("ConnectionError: nobody is there")
        calls += 1
    node.settle()
    assert [(letter["rows"], letter["attempts"], len(letter["input"])) for letter in letters(node)] == [
        (10_000, 5, 10_000)
    ]
    write(node, [1])
    assert values(node.executor.next().run) == [1], "the next batch follows"


def put(begun: StartedRun, value: bytes, *lines: str) -> None:
    change = NamespaceChange(begun.run.namespace, False, [StateValue("k", value)])
    begun.end(Done(begun.run.run_id, writes=[(None, line) for line in lines], changes=[change]))


def test_a_part_starts_from_the_state_of_the_last_part_that_passed(node: Node, tmp_path: Path) -> None:
    write(node, range(4))
    five_attempts(node)
    first = node.executor.next()
    put(first, b"1", "out v=1i 1")
    node.executor.next().fail()
    second = node.executor.next()
    assert [(p.run_id, p.changes[0].values) for p in second.run.passed] == [(first.run.run_id, [StateValue("k", b"1")])]
    assert second.state == {}, "nothing is committed yet"
    put(second, b"2", "out v=2i 2")
    last = node.executor.next()
    assert [p.run_id for p in last.run.passed] == [first.run.run_id, second.run.run_id]
    last.fail()
    node.settle()
    following = node.executor.next() if node.executor.waiting else None
    assert following is None or following.state == {"k": b"2"}
    committed = [run_id for run_id, is_committed, _ in node.executor.settled if is_committed]
    assert committed[:2] == [first.run.run_id, second.run.run_id]
    again = node.crashed(tmp_path / "after")
    again.write("a v=9i")
    assert again.executor.next().state == {"k": b"2"}
    again.close()


def test_a_crash_in_the_middle_repeats_all_of_it_from_the_last_commit(node: Node, tmp_path: Path) -> None:
    write(node, range(4))
    five_attempts(node)
    put(node.executor.next(), b"1", "out v=1i 1")
    node.executor.next()
    again = node.crashed(tmp_path / "after")
    begun = again.executor.next()
    assert (values(begun.run), begun.state, begun.run.passed) == ([0, 1, 2, 3], {}, [])
    assert not any(r["table_name"] == "out" for r in again.rows("SHOW TABLES"))
    again.close()


def test_a_stop_in_the_middle_leaves_all_of_it_to_the_next_start(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "all_tables", error_behavior="retry")
    write(node, range(4))
    five_attempts(node)
    put(node.executor.next(), b"1", "out v=1i 1")
    node.executor.next()
    again = node.restarted()
    begun = again.executor.next()
    assert (values(begun.run), begun.state, begun.run.passed) == ([0, 1, 2, 3], {}, [])
    again.close()


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_switching_the_trigger_off_in_the_middle_undoes_what_passed(node: Node, how: str) -> None:
    write(node, range(4))
    five_attempts(node)
    first = node.executor.next()
    put(first, b"1", "out v=1i 1")
    node.executor.next()
    if how == "disable":
        node.engine.set_trigger_enabled(DATABASE, "t", False)
    else:
        node.engine.delete_trigger(DATABASE, "t", force=True)
    node.settle()
    assert (first.run.run_id, False, {}) in node.executor.settled
    assert not any(r["table_name"] == "out" for r in node.rows("SHOW TABLES"))
    assert node.rows(LETTERS) == []
    assert node.executor.waiting == 0
    outcomes = [r["outcome"] for r in node.rows("SELECT outcome FROM system.processing_engine_runs ORDER BY attempt")]
    assert outcomes == ["error"] * 5 + ["success", "cancelled"], "what ran is told all the same"


def test_output_that_is_refused_loses_only_its_own_part(node: Node) -> None:
    write(node, range(4))
    five_attempts(node)
    node.executor.next().succeed('a v="text" 1')
    node.executor.next().fail()
    node.executor.next().succeed("out v=2i 2")
    node.executor.next().fail()
    node.settle()
    assert node.rows(OUTPUT) == [{"v": 2}]
