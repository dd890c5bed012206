"""The rows, schemas and trigger states of a node, as manifest, checkpoint and log leave them."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.clock import Clock
from engine.disk import Disk, RealDisk, make_durable_folder, replace_file
from engine.errors import ManifestCorrupt
from engine.model.schema import TableSchema
from engine.paths import NodePaths
from engine.storage.consumers import Consumers
from engine.storage.filekeys import FileKeys
from engine.storage.filesets import FileSets
from engine.storage.manifest import FileEntry, Manifest, decode_manifest, encode_manifest
from engine.storage.objects import LocalObjects, Objects
from engine.storage.retention import DEAD_LETTERS, FOR_EVER, Retention, expired_files
from engine.storage.rewriting import Rewriter, RewritingProcess, Terms
from engine.storage.schemas import Schemas
from engine.storage.slices import DEFAULT_LIMITS, SliceLimits
from engine.storage.snapshot import FileChanges, FileWriter, WriterConfig
from engine.storage.table import SchemaSource, TableData, TableView
from engine.storage.warming import Warmer
from engine.wal.format import CommitRecord, RowsPayload, RowsRecord, SchemaRecord
from engine.wal.ports import DurableRecord, RowsBlock
from engine.wal.replay import LogPart

logger = logging.getLogger(__name__)

T = TypeVar("T")

OVERHEAD_BYTES = 200
"""What a buffered payload costs besides its data, roughly."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """How rows are kept.

    Attributes:
        window_ns: the length of a chunk's window.
        bounded: tells for a schema whether ``bounds`` are those of its table.
        bounds: what is kept of such tables.
        limits: how large files become.
        oldest_kept: tells for a schema the time, in ns since the epoch, before which rows of its table are not shown any
            more, and go; ``None`` = there is none.
        writes_beside: a process of its own writes and compacts files, all of which have to be on this machine.
    """

    window_ns: int
    bounded: Callable[[TableSchema], bool] = lambda schema: False
    bounds: Retention = FOR_EVER
    limits: SliceLimits = DEFAULT_LIMITS
    oldest_kept: Callable[[TableSchema], int | None] = lambda schema: None
    writes_beside: bool = False


class Store:
    """Owns manifest, Parquet files, buffers, schemas and consumers.

    ``apply`` takes the records of the log in their order, when they are replayed as well as when they have just become
    durable (port ``FlushObserver``). ``snapshot`` moves the buffer to Parquet and says by a new manifest what the log
    need not hold any more.

    Attributes:
        came_bytes: how much came to the buffers since the start.
    """

    def __init__(
        self, disk: Disk, paths: NodePaths, config: StoreConfig, clock: Clock, objects: Objects | None = None
    ) -> None:
        self.schemas = Schemas()
        self.consumers = Consumers()
        self._disk = disk
        self._paths = paths
        self._config = config
        self._clock = clock
        self.objects = objects or LocalObjects(disk, paths)
        self.file_sets = FileSets(disk, paths.file_sets, paths.table_folder)
        self._reader = self.objects.reader(self.file_sets)
        self._keys = FileKeys(self._reader)
        self._apply_lock = threading.Lock()
        self._snapshot_lock = threading.Lock()
        self._tables: dict[int, TableData] = {}
        self._manifest = Manifest()
        self._applied_until = 0
        self._frozen_until: int | None = None
        self._live_bytes = 0
        self._frozen_bytes = 0
        self.came_bytes = 0
        self._unsettled: set[int] = set()
        self.came = threading.Event()
        self.warmer: Warmer | None = None
        self._touched: set[int] = set()
        self._frozen: set[int] = set()
        self._writer = FileWriter(
            disk, paths, self._reader, WriterConfig(config.window_ns, config.limits, config.oldest_kept)
        )
        self.rewriter: Rewriter = self._writer
        if config.writes_beside and type(disk) is RealDisk:  # another disk is one for this process only
            self.rewriter = RewritingProcess(self._writer, paths.root, Terms(config.window_ns, config.limits), clock)

    @property
    def manifest(self) -> Manifest:
        """Return what the last manifest on disk says."""
        return self._manifest

    @property
    def buffered_bytes(self) -> int:
        """Return about how much memory the rows take that the next snapshot would write."""
        return self._live_bytes

    @property
    def unstored_bytes(self) -> int:
        """Return about how much memory the rows take that are in no Parquet file, with those that are being written."""
        return self._live_bytes + self._frozen_bytes

    def open(self) -> Manifest:
        """Read manifest and checkpoint; make them in a new folder; remove files that the manifest does not name.

        Raises:
            ManifestCorrupt: the folder holds data and no readable manifest.
        """
        for folder in (self._paths.root, self._paths.parquet, self._paths.checkpoints, self._paths.file_sets):
            make_durable_folder(self._disk, folder)
        self.objects.open()
        if self._disk.exists(self._paths.manifest):
            self._load(decode_manifest(self._disk.read(self._paths.manifest), str(self._paths.manifest)))
        else:
            self._refuse_orphaned_data()
            self._replace_manifest(Manifest())
        self._remove_unnamed()
        return self._manifest

    def apply(self, records: Sequence[DurableRecord]) -> None:
        """Take over records of the log in their order."""
        for durable in records:
            record = durable.record
            if isinstance(record, SchemaRecord):
                self._apply_schema(record)
            with self._apply_lock:
                if durable.position > self._manifest.rows_until:
                    for rows in rows_of(record):
                        self._add(rows)
                self._applied_until = durable.position
            if durable.position > self._manifest.state_until:
                self.consumers.apply(durable.position, record)

    def apply_replayed(self, part: LogPart) -> None:
        """Take over what a replay found; as ``apply`` does, but without an object for each record."""
        manifest = self._manifest
        for durable in part.records:
            if durable.position > min(manifest.rows_until, manifest.state_until) and isinstance(
                durable.record, SchemaRecord
            ):
                self._apply_schema(durable.record)
            if durable.position > manifest.state_until:
                self.consumers.apply(durable.position, durable.record)
        with self._apply_lock:
            for block in part.rows:
                self._add(block.behind(manifest.rows_until))
            self._applied_until = part.last_position
        if part.last_position > manifest.state_until:
            self.consumers.pass_by(part.last_position)

    def on_durable(self, records: Sequence[DurableRecord]) -> None:
        """See ``FlushObserver``; a record that cannot be taken over does not keep those behind it away."""
        for durable in records:
            try:
                self.apply((durable,))
            except Exception:  # it is durable all the same, and the next start tries again
                logger.exception("a record of the log could not be taken over position=%d", durable.position)

    def view(self, schema: TableSchema) -> TableView:
        """Return all rows of a table, each key once; the caller calls ``release`` when it has read them.

        Rows that are too old may be among them: see ``TableView.oldest_ns``. The table may have got columns since the
        caller learned of its ``schema``; the view has them.
        """
        return self._table(schema.table_id).view(self._present(schema), self._config.oldest_kept(schema))

    def waiting_rows(self) -> dict[int, int]:
        """Return for each table that rows came to how many of them nobody has sorted in yet."""
        with self._apply_lock:
            tables = [(table_id, self._tables.get(table_id)) for table_id in self._unsettled]
        return {table_id: table.waiting_rows if table else 0 for table_id, table in tables}

    def settle(self, table_id: int) -> None:
        """Sort in the new rows of a table, as the next query of it would."""
        with self._apply_lock:
            self._unsettled.discard(table_id)
            table = self._tables.get(table_id)
        schema = self.schemas.by_id(table_id)
        if table is not None and schema is not None:
            table.settle(self._present(schema))

    def files(self, table_id: int) -> tuple[FileEntry, ...]:
        """Return the Parquet files of a table."""
        table = self._tables.get(table_id)
        return table.files if table else ()

    def intact_files(self, table_id: int) -> tuple[FileEntry, ...]:
        """Return the Parquet files of a table that are what the manifest says."""
        return tuple(file for file in self.files(table_id) if self._reader.is_intact(file))

    def has_expired_files(self) -> bool:
        """Return whether there are files that the next snapshot lets go because of their age."""
        return any(self._expired())

    def has_orphaned_files(self) -> bool:
        """Return whether the manifest names files of tables that are gone."""
        return any(self.schemas.by_id(file.table_id) is None for file in self._manifest.files)

    def snapshot(self, idle_low: Callable[[int], int | None], bytes_per_s: float = 0.0) -> Manifest:
        """Write the buffer to Parquet, progress and state to a checkpoint, and a manifest that names them.

        If the disk fails on the way, the old manifest holds, and the next call tries the same rows again.
        ``idle_low``: see ``Consumers.checkpoint``; ``bytes_per_s``: how much comes at present.
        """
        with self._snapshot_lock:
            until = self._freeze()
            rewriter = self.rewriter.for_buffer(self._frozen_bytes, bytes_per_s)
            interval = (self._manifest.rows_until + 1, until)
            changes = self._writer.write_all(self._frozen_tables(), interval, rewriter.write)
            self._expire(changes)
            state_until, checkpoint = self._write_checkpoint(idle_low)
            before = self._manifest
            self._replace_manifest(self._next_manifest((until, state_until, checkpoint), changes))
            self._trust(changes)
            self._prepare(changes)
            for table_id in self._frozen | changes.tables:
                table = self._tables.get(table_id)
                if table is not None:
                    table.stored(*changes.of(table_id))
            self._frozen, self._frozen_until, self._frozen_bytes = set(), None, 0
            self._take_up(changes)
            self._remove_old(before, changes)
            if before.checkpoint is not None and before.checkpoint != checkpoint:
                self._disk.remove(self._paths.checkpoints / before.checkpoint)
            self.objects.tidy(self._manifest)
            return self._manifest

    def files_by_table(self) -> dict[int, tuple[FileEntry, ...]]:
        """Return the Parquet files of each table; the same object as long as they stay the same."""
        return {table_id: table.files for table_id, table in list(self._tables.items())}

    def merges(self, table_id: int) -> int:
        """Return how often windows of a table were merged for queries, because sources shared keys, since the start."""
        table = self._tables.get(table_id)
        return table.merges if table else 0

    def is_intact(self, file: FileEntry) -> bool:
        """Return whether a Parquet file is what the manifest says."""
        return self._reader.is_intact(file)

    def name_of(self, table_id: int) -> str:
        """Return the name of a table, for people."""
        schema = self.schemas.by_id(table_id)
        return schema.name if schema else str(table_id)

    def rewrite(self, table_id: int, files: Sequence[FileEntry]) -> FileChanges | None:
        """Write the rows of ``files`` anew, those in holes not; return what is to be exchanged.

        ``None``: the table, or one of the files, is not there any more.
        """
        schema = self.schemas.by_id(table_id)
        if schema is None:
            return None
        try:
            return self.rewriter.rewrite(schema, files)
        except FileNotFoundError:
            return None

    def exchange(self, changes: FileChanges) -> bool:
        """Name other files with the same rows, or fewer, in the manifest; all new files are synced, their folders too.

        Return whether that was done: it is not if a file that is to go has been replaced meanwhile. The new files are
        removed then.
        """
        with self._snapshot_lock:
            named = {(f.table_id, f.name): f for f in self._manifest.files}
            gone = [f for files in changes.replaced.values() for f in files]
            if any(named.get((f.table_id, f.name)) != f for f in gone):
                self._writer.discard(changes, named.keys())
                return False
            before = self._manifest
            marks = (before.rows_until, before.state_until, before.checkpoint)
            self._replace_manifest(self._next_manifest(marks, changes))
            self._trust(changes)
            self._prepare(changes)
            for table_id in changes.tables:
                table = self._tables.get(table_id)
                if table is not None:
                    table.exchanged(*changes.of(table_id))
            self._take_up(changes)
            self._remove_old(before, changes)
            self.objects.tidy(self._manifest)
            return True

    def _prepare(self, changes: FileChanges) -> None:
        """Warm what queries will read before they do."""
        self._ahead_of_queries(
            changes,
            lambda table, schema, oldest, warmer: table.prepare(changes.of(schema.table_id), oldest, schema, warmer),
        )

    def _take_up(self, changes: FileChanges) -> None:
        """Let queries read what was prepared; it is named now, and taken over."""
        self._ahead_of_queries(changes, lambda table, schema, oldest, warmer: table.take_up(oldest))

    def _ahead_of_queries(
        self, changes: FileChanges, do: Callable[[TableData, TableSchema, int | None, Warmer], None]
    ) -> None:
        """Call ``do`` for tables with changes; all that was decided is durable, so nothing may fail because of it."""
        if self.warmer is None or not self.warmer.is_used:
            return
        for table_id in changes.tables:
            table, schema = self._tables.get(table_id), self.schemas.by_id(table_id)
            if table is not None and schema is not None:
                try:
                    do(table, schema, self._config.oldest_kept(schema), self.warmer)
                except Exception:  # it is foreign code that looks at the files
                    logger.exception("files were not looked at before their first query table=%s", schema.name)

    def while_still(self, use: Callable[[Manifest], T]) -> T:
        """Return what ``use`` makes of the manifest; until then none of its files goes."""
        with self._snapshot_lock:
            return use(self._manifest)

    def _load(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._applied_until = manifest.rows_until
        self.schemas.load(manifest.schemas)
        files: dict[int, list[FileEntry]] = {schema.table_id: [] for schema in manifest.schemas}
        for file in manifest.files:
            files.setdefault(file.table_id, []).append(file)
        for table_id, of_table in files.items():
            self._tables[table_id] = self._new_table(of_table)
        if manifest.checkpoint is not None:
            path = self._paths.checkpoints / manifest.checkpoint
            if not self._disk.exists(path):
                raise ManifestCorrupt(f"checkpoint {path}, which the manifest names, is missing")
            self.consumers.load(self._disk.read(path), str(path))

    def _refuse_orphaned_data(self) -> None:
        segments = self._disk.list_folder(self._paths.wal) if self._disk.exists(self._paths.wal) else []
        if segments or self._disk.list_folder(self._paths.parquet):
            raise ManifestCorrupt(
                f"{self._paths.root} holds data and no manifest: restore {self._paths.manifest} from a backup, "
                "or choose another --data-dir; nothing was changed"
            )

    def _apply_schema(self, record: SchemaRecord) -> None:
        self.schemas.apply(record)
        if record.deleted:
            with self._apply_lock:
                self._tables.pop(record.table_id, None)
            self._reader.forget(record.table_id)

    def _new_table(self, files: Sequence[FileEntry] = ()) -> TableData:
        return TableData(self._reader, self._config.window_ns, files, self._keys)

    def _present(self, schema: TableSchema) -> SchemaSource:
        return lambda: self.schemas.by_id(schema.table_id) or schema

    def _table(self, table_id: int) -> TableData:
        table = self._tables.get(table_id)
        if table is None:
            with self._apply_lock:
                table = self._tables.setdefault(table_id, self._new_table())
        return table

    def _add(self, rows: RowsPayload | RowsBlock) -> None:
        if self.schemas.by_id(rows.table_id) is None:
            return  # the table was deleted meanwhile
        table = self._tables.get(rows.table_id)
        if table is None:
            table = self._tables[rows.table_id] = self._new_table()
        table.add(rows)
        self._unsettled.add(rows.table_id)
        if not self.came.is_set():
            self.came.set()
        self._touched.add(rows.table_id)
        size = rows.data_bytes if isinstance(rows, RowsBlock) else len(rows.data) + OVERHEAD_BYTES
        self._live_bytes += size
        self.came_bytes += size

    def _freeze(self) -> int:
        with self._apply_lock:
            if self._frozen_until is None:
                self._frozen_until = self._applied_until
                self._frozen_bytes, self._live_bytes = self._live_bytes, 0
                self._frozen, self._touched = self._touched, set()
                for table_id in self._frozen:
                    if table_id in self._tables:
                        self._tables[table_id].freeze()
            return self._frozen_until

    def _frozen_tables(self) -> Iterable[tuple[SchemaSource, TableData]]:
        for table_id in sorted(self._frozen):
            table, schema = self._tables.get(table_id), self.schemas.by_id(table_id)
            if table is not None and schema is not None:
                yield self._present(schema), table

    def _expire(self, changes: FileChanges) -> None:
        """Let files go that are too old, and those of bounded tables that are too much, as if nothing took their place."""
        for file in self._expired():
            changes.let_go(file)
        bounded = [s for s in self.schemas.all_tables() if self._config.bounded(s) and s.table_id in self._tables]
        files = {s.name: self._tables[s.table_id].files for s in bounded}
        names = {s.table_id: s.name for s in bounded}
        for file in expired_files(files, self._config.bounds, self._clock.now_ns()):
            if names[file.table_id] == DEAD_LETTERS:
                logger.warning("old dead letters go, retried and deleted ones among them: rows=%d", file.row_count)
            changes.let_go(file)

    def _expired(self) -> Iterable[FileEntry]:
        """Yield the files all of whose rows are too old."""
        for schema in self.schemas.all_tables():
            files, oldest_ns = self.files(schema.table_id), self._config.oldest_kept(schema)
            if files and oldest_ns is not None:
                yield from (file for file in files if file.max_time < oldest_ns)

    def _write_checkpoint(self, idle_low: Callable[[int], int | None]) -> tuple[int, str]:
        until, data = self.consumers.checkpoint(self._clock.now_ns(), idle_low)
        name = f"{until:020d}-{self._clock.now_ns()}"
        path = self._paths.checkpoints / name
        self._disk.write(path, data)
        self._disk.sync_file(path)
        self._disk.sync_folder(self._paths.checkpoints)
        return until, name

    def _next_manifest(self, marks: tuple[int, int, str | None], changes: FileChanges) -> Manifest:
        schemas = tuple(self.schemas.all_tables())
        alive = {s.table_id for s in schemas}
        gone = {(f.table_id, f.name) for files in changes.replaced.values() for f in files}
        kept = (f for f in self._manifest.files if (f.table_id, f.name) not in gone)
        added = (f for files in changes.added.values() for f in files)
        files = tuple(f for f in itertools.chain(kept, added) if f.table_id in alive)
        return Manifest(*marks, files, schemas)

    def _replace_manifest(self, manifest: Manifest) -> None:
        encoded = encode_manifest(manifest)
        self.objects.publish(manifest, encoded)
        replace_file(self._disk, self._paths.manifest, encoded)
        self._manifest = manifest

    def _trust(self, changes: FileChanges) -> None:
        """Note that nobody need look at what was just written."""
        old = {(f.table_id, f.name) for files in changes.replaced.values() for f in files}
        for file in [f for files in changes.added.values() for f in files]:
            if (file.table_id, file.name) not in old:
                self.file_sets.trust(file)

    def _remove_old(self, before: Manifest, changes: FileChanges) -> None:
        """Remove files that were named ``before`` or written since, and are not named now."""
        named = {(f.table_id, f.name) for f in self._manifest.files}
        added = [f for files in changes.added.values() for f in files]
        old = [f for f in [*before.files, *added] if (f.table_id, f.name) not in named]
        self.file_sets.forget_files(old)
        for file in old:
            path = self._paths.table_folder(file.table_id) / file.name
            if self._disk.exists(path):
                self._disk.remove(path)

    def _remove_unnamed(self) -> None:
        named = {(str(f.table_id), f.name) for f in self._manifest.files}
        in_use = {folder for folder, _ in named}
        for folder in self._disk.list_folder(self._paths.parquet):
            if folder not in in_use:
                self._disk.remove_folder(self._paths.parquet / folder)  # of a table that is gone, mostly
                continue
            for name in self._disk.list_folder(self._paths.parquet / folder):
                if (folder, name) not in named:
                    self._disk.remove(self._paths.parquet / folder / name)
        for name in self._disk.list_folder(self._paths.checkpoints):
            if name != self._manifest.checkpoint:
                self._disk.remove(self._paths.checkpoints / name)
        for name in self._disk.list_folder(self._paths.file_sets):
            self._disk.remove_folder(self._paths.file_sets / name)


def rows_of(record: object) -> tuple[RowsPayload, ...]:
    """Return the row payloads of a record."""
    if isinstance(record, RowsRecord):
        return (record.rows,)
    return record.rows if isinstance(record, CommitRecord) else ()
