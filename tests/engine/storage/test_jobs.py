"""Jobs and answers come out of a socket as they were put in."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.chunks import WindowedRows
from engine.storage.jobs import (
    Answer,
    Job,
    Plan,
    receive_answer,
    receive_job,
    send_changes,
    send_failure,
    send_groups,
    send_job,
)
from engine.storage.snapshot import FileChanges
from engine.storage.table import FrozenRows
from tests.support.batches import batch_of, rows_of, table_schema
from tests.support.stores import WINDOW_NS, FedStore

SCHEMA = table_schema({"host": "tag", "a": "float", "text": "string", "time": "time"})

ROWS = st.fixed_dictionaries(
    {"host": st.none() | st.text("ab", max_size=2), "time": st.integers(-(2**63), 2**63 - 1)},
    optional={"a": st.floats(allow_nan=False), "text": st.text(max_size=3)},
)
BATCHES = st.lists(st.lists(ROWS, min_size=1, max_size=5), max_size=4)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@given(
    batches=BATCHES,
    interval=st.none() | st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)),
    lasts=st.sets(st.integers(-(2**63), 2**63 - 2), max_size=4),
)
def test_a_job_is_received_as_it_was_sent(
    batches: list[list[dict[str, object]]], interval: tuple[int, int] | None, lasts: set[int]
) -> None:
    windowed = tuple(WindowedRows(batch_of(SCHEMA, rows), WINDOW_NS) for rows in batches)
    rows = FrozenRows(SCHEMA, windowed, (), ((-(2**63), -5), (0, 2**63 - 1)))
    wanted = np.array([*sorted(lasts), 2**63 - 1], np.int64)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_job(ours, Job(rows, interval))
        received, received_interval = receive_job(theirs)
        assert (received_interval, received.schema, received.late) == (interval, SCHEMA, rows.late)
        assert (received.times.tolist(), received.row_bytes) == (rows.times.tolist(), rows.row_bytes)
        groups = received.in_groups(wanted)
        asked = threading.Thread(target=answer_plan, args=(ours, rows))
        asked.start()
        found = [[rows_of(batch) for batch in group] for group in groups]
        asked.join()
        assert found == [[rows_of(batch) for batch in group] for group in rows.in_groups(wanted)]


def answer_plan(sock: socket.socket, rows: FrozenRows) -> None:
    plan = receive_answer(sock)
    assert isinstance(plan, Plan)
    send_groups(sock, rows, plan, lambda: None)


def test_groups_that_nobody_takes_can_be_passed_by(ends: tuple[socket.socket, socket.socket], fed: FedStore) -> None:
    windowed = WindowedRows(batch_of(SCHEMA, [{"host": "h", "time": n} for n in range(30)]), WINDOW_NS)
    rows = FrozenRows(SCHEMA, (windowed,))
    send_job(ends[0], Job(rows, (1, 2)))
    received, _ = receive_job(ends[1])
    asked = threading.Thread(target=answer_plan, args=(ends[0], rows))
    asked.start()
    assert len(next(received.in_groups(np.array([9, 19, 29])))) == 1
    received.pass_by()
    asked.join()
    send_failure(ends[1], 7, ValueError("the next frame is this one"))
    answer = receive_answer(ends[0])
    assert isinstance(answer, Answer)
    assert answer.outcome.error == "the next frame is this one"


def test_an_answer_names_all_files(ends: tuple[socket.socket, socket.socket], fed: FedStore) -> None:
    first, second, third = fed.store.files(SCHEMA.table_id)
    sent = FileChanges({SCHEMA.table_id: [first, second]}, {SCHEMA.table_id: [third]}, {(SCHEMA.table_id, first.name)})
    send_changes(ends[0], 7, SCHEMA.table_id, sent)
    received = FileChanges()
    answer = receive_answer(ends[1])
    assert isinstance(answer, Answer)
    answer.enter_in(received, SCHEMA.table_id)
    assert received == sent
    assert answer.outcome.cpu_ns == 7


@pytest.mark.parametrize(
    ("error", "text", "errno"),
    [
        pytest.param(OSError(28, "no space left"), "[Errno 28] no space left", 28, id="of-the-system"),
        pytest.param(ValueError("odd"), "odd", None, id="ours"),
        pytest.param(ValueError(), "ValueError()", None, id="without-a-text"),
    ],
)
def test_an_answer_says_why_a_job_failed(
    ends: tuple[socket.socket, socket.socket], error: Exception, text: str, errno: int | None
) -> None:
    send_failure(ends[0], 7, error)
    answer = receive_answer(ends[1])
    assert isinstance(answer, Answer)
    assert (answer.outcome.error, answer.outcome.errno, answer.added, answer.replaced) == (text, errno, (), ())


@pytest.fixture
def fed(tmp_path: Path) -> FedStore:
    made = FedStore(tmp_path)
    made.create(SCHEMA)
    for part in range(3):
        made.write(SCHEMA, [{"host": "h", "time": 1000 * part, "a": 1.0}])
        made.snapshot()
    return made
