"""Writes the frozen chunks of all tables as Parquet files, durable before any manifest names them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import google_crc32c
import pyarrow as pa

from engine.columns import compute as pc
from engine.disk import Disk
from engine.model.schema import TIME_COLUMN, TableSchema
from engine.paths import NodePaths
from engine.storage.manifest import FileEntry
from engine.storage.parquet import encode_parquet
from engine.storage.table import ChunkToStore, SchemaSource, TableData


@dataclass(slots=True)
class SnapshotFiles:
    """What a snapshot wrote, and what these files take the place of, by table id."""

    added: dict[int, list[FileEntry]] = field(default_factory=dict)
    replaced: dict[int, list[FileEntry]] = field(default_factory=dict)


def write_chunks(
    disk: Disk, paths: NodePaths, tables: Iterable[tuple[SchemaSource, TableData]], interval: tuple[int, int]
) -> SnapshotFiles:
    """Write the frozen rows of ``tables``, which come from the ``interval`` of positions; return the files, all synced."""
    written = SnapshotFiles()
    for schema_now, table in tables:
        schema, chunks = table.to_store(schema_now)
        for chunk in chunks:
            file = _write_chunk(disk, paths, schema, chunk, interval)
            written.added.setdefault(schema.table_id, []).append(file)
            written.replaced.setdefault(schema.table_id, []).extend(chunk.replaces)
        if schema.table_id in written.added:
            disk.sync_folder(paths.table_folder(schema.table_id))
    if written.added:
        disk.sync_folder(paths.parquet)
    return written


def _write_chunk(
    disk: Disk, paths: NodePaths, schema: TableSchema, chunk: ChunkToStore, interval: tuple[int, int]
) -> FileEntry:
    low = min([interval[0], *(f.low for f in chunk.replaces)])
    data = encode_parquet(chunk.rows)
    folder = paths.table_folder(schema.table_id)
    disk.make_folder(folder)
    name = f"{chunk.window}.{low:020d}-{interval[1]:020d}.parquet"
    disk.write(folder / name, data)
    disk.sync_file(folder / name)
    times = pc.min_max(chunk.rows.column(TIME_COLUMN).cast(pa.int64()))
    return FileEntry(
        name=name,
        table_id=schema.table_id,
        window=chunk.window,
        low=low,
        high=interval[1],
        row_count=chunk.rows.num_rows,
        min_time=times["min"].as_py(),
        max_time=times["max"].as_py(),
        size_bytes=len(data),
        crc32c=google_crc32c.value(data),
        schema_version=schema.version,
    )
