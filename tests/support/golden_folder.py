"""The small data folder that each format version leaves behind once, and what a server finds in it ever after.

``python -m tests.support.golden_folder tests/golden/folders/NAME`` makes one with the code as it is: as a ``kill -9`` leaves it.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from engine.caches.definitions import DistinctRequest, LastRequest
from engine.model.backfill import BackfillRequest
from tests.support.clock import ManualClock
from tests.support.copier import copy_rows
from tests.support.node import DATABASE, START_NS, Node
from tests.support.scripted_executor import StartedRun

FOLDERS = Path(__file__).parents[1] / "golden" / "folders"
SEGMENT_BYTES = 16 * 1024
TOKEN_FILE = "token"
"""Beside the node's folder: the text of the operator token, of which the catalog holds the hash."""

HOUR_S = 3600
MINUTE_NS = 60 * 10**9


def make_folder(target: Path) -> None:
    """Make the folder ``target`` as a server leaves it that was killed with work of every kind under way."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        node = Node(folder, wal_segment_size_bytes=SEGMENT_BYTES, node_id="node0")
        token = node.engine.tokens.create_admin().token
        _before_the_snapshot(node)
        node.engine.snapshot()
        _behind_the_snapshot(node)
        shutil.copytree(folder / "data", target, ignore=shutil.ignore_patterns("lock", "file-sets"))
        (target / TOKEN_FILE).write_text(f"{token}\n")
        node.close()


def open_folder(name: str, into: Path) -> Node:
    """Return a node on a copy of the golden folder ``name``, which is made in ``into``; half an hour has passed."""
    shutil.copytree(FOLDERS / name, into / "data")
    clock_ns = START_NS + (HOUR_S * 5 // 2) * 10**9
    return Node(into, clock=ManualClock(clock_ns), wal_segment_size_bytes=SEGMENT_BYTES, node_id="node0")


def _before_the_snapshot(node: Node) -> None:
    node.trigger("copier", "table:a")
    node.trigger("letters", "table:bad", error_behavior="retry")
    node.trigger("off", "table:a")
    node.engine.set_trigger_enabled(DATABASE, "off", enabled=False)
    node.trigger("api", "request:api")
    node.write(
        f'home,room=kitchen temp=21.5,people=2i,plug=7u,open=true,note="a \\"b\\" ü" {START_NS}\n'
        f"home,room=hall temp=18 {START_NS}\n"
        f"home,room=hall,floor=1 temp=18.5 {START_NS + 20 * MINUTE_NS}"
    )
    node.engine.caches.create_last(DATABASE, "home", LastRequest(key_columns=["room"], value_columns=["temp"]))
    node.engine.caches.create_distinct(DATABASE, "home", DistinctRequest(["room"]))
    node.write("a v=1 1\na v=2 2")
    copy_rows(node.executor.next())
    node.settle()
    node.write("bad v=1 1")
    _fail_for_good(node)
    node.write("\n".join(f"stored v={n} {n * 5 * MINUTE_NS}" for n in range(6)))
    node.write("gone v=1 1")
    node.trigger("filler", "table:stored")
    node.engine.backfill(DATABASE, "filler", BackfillRequest(batch_rows=2))
    copy_rows(_next_of(node, "filler"))
    node.settle()


def _behind_the_snapshot(node: Node) -> None:
    node.engine.tables.create_database("dropped")
    node.engine.tables.delete_database("dropped")
    node.engine.tables.delete(DATABASE, "gone")
    node.write(f"home,room=kitchen temp=22 {START_NS}\nhome,room=attic humidity=40i {START_NS + MINUTE_NS}")
    node.write("\n".join(f'long,n=n{n} v={n}i,text="t{n}" {n}' for n in range(40)))
    node.trigger("hourly", f"every:{HOUR_S}s")
    node.advance(HOUR_S)
    _next_of(node, "hourly").succeed_with_state("seen", b"one", "ticks n=1 1")
    node.settle()
    node.write("a v=3 3")
    copy_rows(_next_of(node, "copier"))
    node.settle()
    node.write("a v=4 4")  # begun and not ended, as the next call of the schedule
    node.advance(HOUR_S)
    node.settle()


def _next_of(node: Node, trigger: str) -> StartedRun:
    """Return the next run of ``trigger``; those of others that began before it stay without an end."""
    while (begun := node.executor.next()).run.trigger_name != trigger:
        pass
    return begun


def _fail_for_good(node: Node) -> None:
    node.executor.next().fail()
    for delay_s in (0.1, 0.2, 0.4, 0.8):
        node.advance(delay_s)
        node.executor.next().fail()
    node.settle()


if __name__ == "__main__":
    make_folder(Path(sys.argv[1]))
