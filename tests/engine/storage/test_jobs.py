"""Jobs and answers come out of a socket as they were put in."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.chunks import WindowedRows
from engine.storage.jobs import Answer, Job, receive_answer, receive_job, send_changes, send_failure, send_job
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


@given(batches=BATCHES, interval=st.none() | st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)))
def test_a_job_is_received_as_it_was_sent(
    batches: list[list[dict[str, object]]], interval: tuple[int, int] | None
) -> None:
    windowed = tuple(WindowedRows(batch_of(SCHEMA, rows), WINDOW_NS) for rows in batches)
    late = ((-(2**63), -5), (0, 2**63 - 1))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_job(ours, Job(FrozenRows(SCHEMA, windowed, (), late), interval))
        job = receive_job(theirs, WINDOW_NS)
        assert (job.interval, job.rows.schema, job.rows.late) == (interval, SCHEMA, late)
        assert [rows_of(b.rows) for b in job.rows.batches] == [rows_of(b.rows) for b in windowed]
        assert [b.windows for b in job.rows.batches] == [b.windows for b in windowed]


def test_a_slice_is_sent_without_what_stands_around_it(ends: tuple[socket.socket, socket.socket]) -> None:
    batch = batch_of(SCHEMA, [{"host": "h", "time": n, "text": "x" * 1000} for n in range(10_000)])
    send_job(ends[0], Job(FrozenRows(SCHEMA, (WindowedRows(batch.slice(5, 3), WINDOW_NS),)), (1, 2)))
    assert [rows_of(b.rows) for b in receive_job(ends[1], WINDOW_NS).rows.batches] == [rows_of(batch.slice(5, 3))]


def test_an_answer_names_all_files(ends: tuple[socket.socket, socket.socket], fed: FedStore) -> None:
    first, second, third = fed.store.files(SCHEMA.table_id)
    sent = FileChanges({SCHEMA.table_id: [first, second]}, {SCHEMA.table_id: [third]}, {(SCHEMA.table_id, first.name)})
    send_changes(ends[0], 7, SCHEMA.table_id, sent)
    received = FileChanges()
    answer = receive_answer(ends[1])
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
    answer: Answer = receive_answer(ends[1])
    assert (answer.outcome.error, answer.outcome.errno, answer.added, answer.replaced) == (text, errno, (), ())


@pytest.fixture
def fed(tmp_path: Path) -> FedStore:
    made = FedStore(tmp_path)
    made.create(SCHEMA)
    for part in range(3):
        made.write(SCHEMA, [{"host": "h", "time": 1000 * part, "a": 1.0}])
        made.snapshot()
    return made
