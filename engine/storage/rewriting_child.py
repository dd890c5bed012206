"""A process that rewrites the Parquet files that it is told, one job after the other, and ends when none came for a while."""

import contextlib
import os
import select
import sys
import time
from errno import ENOENT
from pathlib import Path

import msgspec
import pyarrow as pa

from engine.child_process import open_parent, receive_frame, send_frame
from engine.disk import RealDisk
from engine.errors import EngineError, StorageError
from engine.paths import NodePaths
from engine.storage.filesets import FileSets, damage
from engine.storage.manifest import FileEntry
from engine.storage.rewriting import DONE, FAILED, READY, Outcome, Terms, decode_job, encode_job
from engine.storage.snapshot import FileWriter, WriterConfig

URGENT_NICENESS = 10
IDLE_NICENESS = 19


def main() -> None:
    """Serve the socket whose descriptor is the first argument; then come the node's folder, and ``Terms`` as JSON."""
    sock, root, terms = open_parent(int(sys.argv[1])), Path(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=Terms)
    pa.set_cpu_count(1)
    step_back(is_urgent=terms.is_urgent)
    with contextlib.suppress(EOFError, ConnectionError):  # the server is gone
        send_frame(sock, READY)
        while select.select([sock], [], [], terms.longest_idle_s)[0]:
            schema, files = decode_job(bytes(receive_frame(sock)[1]))
            began_ns = time.process_time_ns()
            try:
                changes = _work(root, terms, files).rewrite(schema, files)
            except (EngineError, OSError) as error:
                number = error.errno if isinstance(error, OSError) else None
                cpu_ns = time.process_time_ns() - began_ns
                send_frame(sock, FAILED, msgspec.json.encode(Outcome(cpu_ns, str(error) or repr(error), number)))
            else:
                send_frame(sock, DONE, msgspec.json.encode(Outcome(time.process_time_ns() - began_ns)))
                send_frame(sock, DONE, encode_job(schema, changes.added.get(schema.table_id, ())))


def _work(root: Path, terms: Terms, files: tuple[FileEntry, ...]) -> FileWriter:
    """Return what writes; a new one for each job, for it knows nothing of files that went meanwhile.

    Raises:
        FileNotFoundError: a file was replaced meanwhile.
        StorageError: a file is not what the manifest says; nothing may take its place without its rows.
    """
    disk, paths = RealDisk(), NodePaths(root.parent, root.name)
    reader = FileSets(disk, paths.file_sets, paths.table_folder)
    for file in files:
        path = paths.table_folder(file.table_id) / file.name
        if not disk.exists(path):
            raise FileNotFoundError(ENOENT, f"{path} was replaced meanwhile")
        problem = damage(disk, path, file)
        if problem is not None:
            raise StorageError(f"files are not compacted: {problem}")
        reader.trust(file)
    return FileWriter(disk, paths, reader, WriterConfig(terms.window_ns, terms.limits))


def step_back(*, is_urgent: bool) -> None:
    """Let everybody else have the processors first."""
    if not is_urgent and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(PermissionError):  # a container may not allow it, and niceness helps a little
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.nice(URGENT_NICENESS if is_urgent else IDLE_NICENESS)


if __name__ == "__main__":
    main()
