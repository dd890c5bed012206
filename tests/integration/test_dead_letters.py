import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from engine.errors import AlreadyExists, DatabaseNotFound, EngineError, InvalidRequest, NotFound
from engine.host.batches import PayloadFiles, table_batches
from engine.host.protocol import Run
from engine.triggers.ends import RetryResult
from tests.support.disk import CrashingDisk
from tests.support.engines import eventually
from tests.support.node import DATABASE, Node
from tests.support.scripted_executor import StartedRun

RETRIES_S = (0.1, 0.2, 0.4, 0.8)
LETTERS = "SELECT id, state, rows, attempts, error, input FROM system.processing_engine_dead_letters"
OUTPUT = "SELECT v FROM out ORDER BY time"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node", disk=CrashingDisk(tmp_path / "node"))
    node.trigger("t", "table:a", error_behavior="retry")
    yield node
    if not node.is_crashed:
        node.close()


def fail_for_good(node: Node, parts: int = 0) -> None:
    """Let the present batch become a dead letter, whole; ``parts`` runs on parts of it fail too."""
    node.executor.next().fail()
    for delay_s in RETRIES_S:
        node.advance(delay_s)
        node.executor.next().fail()
    for _ in range(parts):
        node.executor.next().fail()
    node.settle()


def letter(node: Node) -> dict[str, Any]:
    (found,) = node.rows(LETTERS)
    return found


def retrying(node: Node, *ids: str, trigger: str = "t") -> "Future[list[RetryResult]]":
    """Begin to retry letters, all of them if none is named, in a thread of its own."""
    result: Future[list[RetryResult]] = Future()

    def run() -> None:
        try:
            result.set_result(node.engine.retry_dead_letters(DATABASE, trigger, ids or None))
        except EngineError as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return result


def rows_of(run: Run) -> list[dict[str, Any]]:
    return [dict(row) for batch in table_batches(run.batches, PayloadFiles()) for row in batch["rows"]]


def test_a_letter_that_passes_is_gone_and_its_output_is_there_in_one_record(node: Node) -> None:
    node.write("a v=1")
    fail_for_good(node)
    before = node.engine.wal.next_position
    result = retrying(node)
    node.executor.next().succeed("out v=1 1")
    assert [r.state for r in result.result(10)] == ["retried"]
    new_schemas = len(("the table out", "the column resolved"))
    assert node.engine.wal.next_position == before + new_schemas + len(("the commit",))
    assert node.rows(OUTPUT) == [{"v": 1.0}]
    assert node.rows(LETTERS) == []
    kept = node.rows("SELECT state, input, error FROM processing_engine_dead_letters", database="_internal")
    assert kept == [{"state": "retried", "input": "", "error": "ValueError: no"}], "what happened is still known"


def test_types_and_columns_come_back_as_they_were(node: Node) -> None:
    node.write(
        'a,tag=x f=1,i=1i,u=18446744073709551615u,s="q\\"\n\\\\ü",b=t 1600000000000000001\na f=2.5 1600000000000000002'
    )
    node.executor.next().fail()
    for delay_s in RETRIES_S:
        node.advance(delay_s)
        begun = node.executor.next()
        before = rows_of(begun.run)
        begun.fail()
    for _ in range(2):
        node.executor.next().fail()
    node.settle()
    node.write("a later=1i 5")
    node.executor.next().succeed()
    retrying(node)
    after = rows_of(node.executor.next().run)
    assert after == [row | {"later": None} for row in before]
    assert [{n: type(v) for n, v in row.items()} for row in after] == [
        {n: type(v) for n, v in (row | {"later": None}).items()} for row in before
    ]


def test_an_input_of_any_length_is_kept_whole(node: Node) -> None:
    node.write("\n".join(f'a n={n}i,s="{"ü" * 1000}" {n}' for n in range(900)))
    fail_for_good(node, parts=64)
    kept = node.rows("SELECT input FROM processing_engine_dead_letters", database="_internal")
    assert len(kept) > 1
    assert [row["n"] for row in json.loads(letter(node)["input"])["rows"]] == list(range(900))
    result = retrying(node)
    begun = node.executor.next()
    assert [(row["n"], row["s"]) for row in rows_of(begun.run)] == [(n, "ü" * 1000) for n in range(900)]
    begun.succeed()
    assert [r.state for r in result.result(10)] == ["retried"]
    assert node.rows(LETTERS) == []
    assert not any(r["input"] for r in node.rows("SELECT input FROM processing_engine_dead_letters", "_internal"))


def test_a_letter_that_fails_again_stays_and_counts_it(node: Node) -> None:
    node.write("a v=1")
    fail_for_good(node)
    result = retrying(node)
    node.executor.next().fail("ValueError: still no")
    node.engine.tick()
    node.settle()
    assert [(r.state, r.error) for r in result.result(10)] == [("failed", "ValueError: still no")]
    found = letter(node)
    assert (found["state"], found["attempts"], found["error"]) == ("failed again", 6, "ValueError: still no")
    assert json.loads(found["input"])["rows"][0]["v"] == 1.0


def test_of_a_batch_that_fails_again_passes_what_can(node: Node) -> None:
    node.write("\n".join(f"a v={n} {n}" for n in range(4)))
    fail_for_good(node, parts=6)
    assert letter(node)["rows"] == 4, "an outage"
    result = retrying(node)
    for has_passed in (False, True, False, True, False):  # all, 0-1, 2-3, 2, 3
        begun = node.executor.next()
        if has_passed:
            begun.succeed(*(f"out v={row['v']} {row['time']}" for row in rows_of(begun.run)))
        else:
            begun.fail("ValueError: three")
    (told,) = result.result(10)
    assert (told.state, told.new_letters) == ("retried", 1)
    assert [row["v"] for row in node.rows(OUTPUT)] == [0.0, 1.0, 2.0]
    found = letter(node)
    assert (found["state"], found["rows"], found["attempts"]) == ("open", 1, 8)


def test_batches_and_letters_of_a_synchronous_trigger_take_turns(node: Node) -> None:
    node.write("a v=1")
    fail_for_good(node)
    node.write("a v=2")
    batch = node.executor.next()
    result = retrying(node)
    definition = node.engine.catalog.state.database(DATABASE).trigger("t")  # type: ignore[union-attr]
    eventually(lambda: node.engine.triggers.activation(definition.trigger_id)._line)  # type: ignore[union-attr]
    assert node.executor.waiting == 0, "its turn comes after the batch"
    node.write("a v=3")
    batch.succeed()
    again = node.executor.next()
    assert [row["v"] for row in rows_of(again.run)] == [1.0]
    assert node.executor.waiting == 0
    again.succeed()
    assert [row["v"] for row in rows_of(node.executor.next().run)] == [3.0]
    assert [r.state for r in result.result(10)] == ["retried"]


def test_no_letter_is_in_two_hands(node: Node) -> None:
    node.write("a v=1")
    fail_for_good(node)
    first = retrying(node)
    begun = node.executor.next()
    (second,) = retrying(node).result(10)
    assert second.state == "failed"
    assert "somebody else" in second.error
    assert node.engine.delete_dead_letters(DATABASE, None, None) == 0
    begun.succeed()
    assert [r.state for r in first.result(10)] == ["retried"]
    assert retrying(node).result(10) == []


@pytest.mark.parametrize("when", ["before the commit", "after it"])
def test_a_crash_neither_loses_nor_doubles_a_letter(node: Node, tmp_path: Path, when: str) -> None:
    node.write("a v=1")
    fail_for_good(node)
    result = retrying(node)
    begun = node.executor.next()
    if when == "after it":
        begun.succeed("out v=1 1")
        result.result(10)
    again = node.crashed(tmp_path / "after")
    assert len(again.rows(LETTERS)) == (when == "before the commit")
    if when == "before the commit":
        result = retrying(again)
        again.executor.next().succeed("out v=1 1")
        assert [r.state for r in result.result(10)] == ["retried"]
    assert again.rows(OUTPUT) == [{"v": 1.0}]
    again.close()


def test_a_retry_leaves_the_progress_of_the_trigger_alone(node: Node, tmp_path: Path) -> None:
    node.write("a v=1")
    fail_for_good(node)
    result = retrying(node)
    node.executor.next().succeed()
    result.result(10)
    node.write("a v=2")
    node.executor.next()
    again = node.crashed(tmp_path / "after")
    assert [row["v"] for row in rows_of(again.executor.next().run)] == [2.0]
    again.close()


def test_a_letter_of_a_schedule_keeps_its_call_time(node: Node) -> None:
    node.engine.delete_trigger(DATABASE, "t", force=True)
    node.trigger("s", "every:1m", error_behavior="retry")
    node.advance(60)
    due_s = node.executor.started[-1].run.call_time_s
    fail_for_good(node)
    node.advance(5)
    result = retrying(node, trigger="s")
    begun = node.executor.next()
    assert (begun.run.kind, begun.run.call_time_s) == ("schedule", due_s)
    begun.succeed("out v=1 1")
    assert [r.state for r in result.result(10)] == ["retried"]
    assert node.rows(LETTERS) == []


def test_switching_the_trigger_off_ends_a_retry(node: Node) -> None:
    node.write("a v=1")
    fail_for_good(node)
    result = retrying(node)
    node.executor.next()
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    (told,) = result.result(10)
    assert (told.state, told.error) == ("failed", "trigger t was disabled")
    assert letter(node)["state"] == "open"


def test_deleted_letters_are_gone(node: Node) -> None:
    for value in (1, 2, 3):
        node.write(f"a v={value}")
        fail_for_good(node)
    ids = [row["id"] for row in node.rows(f"{LETTERS} ORDER BY time")]
    assert node.engine.delete_dead_letters(DATABASE, "t", ids[:1]) == 1
    assert node.engine.delete_dead_letters(DATABASE, "other", None) == 0
    assert [row["id"] for row in node.rows(f"{LETTERS} ORDER BY time")] == ids[1:]
    node.engine.delete_trigger(DATABASE, "t", force=True)
    assert node.engine.delete_dead_letters(DATABASE, None, None) == 2
    assert node.rows(LETTERS) == []


def refused(node: Node, error: type[EngineError], text: str, *ids: str, trigger: str = "t") -> None:
    with pytest.raises(error, match=text):
        node.engine.retry_dead_letters(DATABASE, trigger, ids or None)


def test_what_cannot_be_retried_is_told(node: Node) -> None:
    node.write("a v=1")
    fail_for_good(node)
    refused(node, NotFound, "trigger 'nope' was not found in database 'db'", trigger="nope")
    refused(node, NotFound, "trigger 't' has no dead letter 17", "17")
    refused(node, InvalidRequest, "'x1' is no id of a dead letter", "x1")
    with pytest.raises(DatabaseNotFound):
        node.engine.retry_dead_letters("nope", "t", None)
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    refused(node, AlreadyExists, "trigger 't' is not running: enable it")
    node.engine.delete_trigger(DATABASE, "t", force=False)
    node.trigger("t", "every:1h")
    refused(node, InvalidRequest, "is of a wal trigger, and 't' is a schedule trigger now")


def test_without_any_letter_nothing_happens(node: Node) -> None:
    assert node.engine.retry_dead_letters(DATABASE, "t", None) == []
    assert node.engine.delete_dead_letters(DATABASE, None, None) == 0


def test_a_retry_survives_a_restart_in_good_order(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "table:a", error_behavior="retry")
    node.write("a v=1")
    fail_for_good(node)
    again = node.restarted()
    result = retrying(again)
    begun: StartedRun = again.executor.next()
    begun.succeed("out v=1 1")
    assert [r.state for r in result.result(10)] == ["retried"]
    third = again.restarted()
    assert third.rows(LETTERS) == []
    third.close()
