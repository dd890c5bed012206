"""A process that writes the Parquet files that it is told, one job after the other, and ends when none came for a while."""

import contextlib
import select
import sys
import time
from errno import ENOENT
from pathlib import Path

import msgspec
import pyarrow as pa

from engine.child_process import open_parent, send_frame
from engine.disk import RealDisk
from engine.errors import EngineError, StorageError
from engine.paths import NodePaths
from engine.storage.filesets import FileSets, damage
from engine.storage.jobs import READY, Interval, RemoteRows, receive_job, send_changes, send_failure
from engine.storage.manifest import FileEntry
from engine.storage.rewriting import Terms
from engine.storage.snapshot import FileChanges, FileWriter, WriterConfig


def main() -> None:
    """Serve the socket whose descriptor is the first argument; then come the node's folder, and ``Terms`` as JSON."""
    sock, root, terms = open_parent(int(sys.argv[1])), Path(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=Terms)
    pa.set_cpu_count(1)
    with contextlib.suppress(EOFError, ConnectionError):  # the server is gone
        send_frame(sock, READY)
        while select.select([sock], [], [], terms.longest_idle_s)[0]:
            rows, interval = receive_job(sock)
            began_ns = time.process_time_ns()
            try:
                changes = _done(root, terms, rows, interval)
            except (EngineError, OSError) as error:
                rows.pass_by()
                send_failure(sock, time.process_time_ns() - began_ns, error)
            else:
                send_changes(sock, time.process_time_ns() - began_ns, rows.schema.table_id, changes)


def _done(root: Path, terms: Terms, rows: RemoteRows, interval: Interval | None) -> FileChanges:
    """Do a job with a writer of its own, for that of another one knows nothing of files that went meanwhile.

    Raises:
        FileNotFoundError: a file was replaced meanwhile.
        StorageError: a file is not what the manifest says; nothing may take its place without its rows.
    """
    disk, paths = RealDisk(), NodePaths(root.parent, root.name)
    reader = FileSets(disk, paths.file_sets, paths.table_folder)
    writer = FileWriter(disk, paths, reader, WriterConfig(terms.window_ns, terms.limits))
    for file in rows.files:
        if interval is None:
            _check(disk, paths, file)
        reader.trust(file)
    if interval is None:
        return writer.rewrite(rows.schema, rows.files)
    changes = FileChanges()
    try:
        writer.write(rows, interval, changes)
    except BaseException:
        writer.discard(changes)
        raise
    return changes


def _check(disk: RealDisk, paths: NodePaths, file: FileEntry) -> None:
    path = paths.table_folder(file.table_id) / file.name
    if not disk.exists(path):
        raise FileNotFoundError(ENOENT, f"{path} was replaced meanwhile")
    problem = damage(disk, path, file)
    if problem is not None:
        raise StorageError(f"files are not compacted: {problem}")
