"""A query process: runs one query after the other, and is killed to end one."""

import json
import socket
import sys
from functools import partial

from datafusion.catalog import Table

from engine.child_process import open_parent, send_frame
from engine.errors import EngineError
from engine.query.config import QueryConfig
from engine.query.deep_stack import call_with_deep_stack
from engine.query.failures import executing, planning
from engine.query.frames import (
    BATCH,
    END,
    FAILED,
    SCHEMA,
    Job,
    Recipe,
    encode_batches,
    encode_error,
    receive_job,
)
from engine.query.ports import TableSnapshot
from engine.query.session import Session
from engine.query.sql_text import EASY_LENGTH


def main() -> None:
    """Serve the socket whose descriptor is the first argument; the second one is the ``QueryConfig`` as JSON."""
    fd, config = int(sys.argv[1]), QueryConfig(**json.loads(sys.argv[2]))
    sock = open_parent(fd)
    session = Session(config)
    while job := receive_job(sock):
        try:
            answer = partial(_answer, sock, session, job)
            call_with_deep_stack(answer) if len(job.sql) > EASY_LENGTH else answer()
        except EngineError as error:
            send_frame(sock, FAILED, encode_error(error))


def _answer(sock: socket.socket, session: Session, job: Job) -> None:
    frame = session.plan(
        job.sql,
        dict(job.values),
        lambda schema, name: _table(session, name, job.tables.get((schema, name))),
        lambda call: session.table_of_rows(call.function, job.calls[call]),
    )
    with planning():
        stream = frame.execute_stream()
    is_begun = False
    while True:
        with executing(session.memory_told):
            made = next(stream, None)
            batch = made.to_pyarrow() if made else None
        if not is_begun:
            send_frame(sock, SCHEMA, encode_batches(batch.schema if batch else frame.schema()))
            is_begun = True
        if batch is None:
            break
        send_frame(sock, BATCH, encode_batches(batch.schema, batch))
    send_frame(sock, END)


def _table(session: Session, name: str, recipe: Recipe) -> Table | None:
    if recipe is None:
        return None
    if isinstance(recipe, TableSnapshot):
        return session.table_of_snapshot(name, recipe)
    return session.native_view(name) if isinstance(recipe, str) else session.table_of_rows(name, recipe)
