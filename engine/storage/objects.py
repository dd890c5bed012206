"""The port to where a node's durable files are: Parquet files, checkpoints and the manifest; the log stays in its folder.

Whoever reads rows reads local files. A store of objects elsewhere makes the folder of the node a cache: a file may be
absent from it, and ``held`` brings it while somebody reads it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import pyarrow as pa

from engine.disk import Disk, replace_file
from engine.errors import ManifestCorrupt, ObjectStoreRefused
from engine.model.schema import TableSchema
from engine.paths import NodePaths
from engine.storage.manifest import FileEntry, Manifest
from engine.storage.ranges import EVERYTHING, Range, Ranges


@dataclass(frozen=True, slots=True)
class AbsentFile:
    """A Parquet file of a table that is not on this machine now; ``held`` fetches it.

    Attributes:
        min_time, max_time: of its rows, in ns, so that nobody fetches it for other times.
        held: the file is at the path that this gives until its context ends; ``None`` if it is lost, which was told.
        excluded: ranges of times, both ends included, whose rows in it are not read.
    """

    min_time: int
    max_time: int
    held: Callable[[], AbstractContextManager[Path | None]]
    excluded: Ranges = ()


class PartlyRead(NamedTuple):
    """A folder of Parquet files whose rows at the times ``excluded`` (in ns, both ends included) are not read."""

    folder: Path
    excluded: Ranges


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files that a query reads: those in ``folder`` (``None``: none), and those that are ``absent``.

    ``release`` is to be called once when they are not read any more.
    """

    folder: Path | None
    release: Callable[[], None]
    absent: tuple[AbsentFile, ...] = ()


class FileReader(Protocol):
    """Reads a table's Parquet files; may be called from any thread."""

    def read(
        self, file: FileEntry, schema: TableSchema, columns: Sequence[str] | None = None, times: Ranges = EVERYTHING
    ) -> pa.RecordBatch:
        """Return the rows of ``file`` at ``times`` that are in no hole, an empty batch if it is missing or damaged.

        Raises:
            Unavailable: it is kept elsewhere, and cannot be fetched now.
        """

    def group_times(self, file: FileEntry) -> list[Range]:
        """Return from when to when the rows of each row group of ``file`` are; nothing if it is missing or damaged.

        Raises:
            Unavailable: it is kept elsewhere, and cannot be fetched now.
        """

    def is_intact(self, file: FileEntry) -> bool:
        """Return whether the file is what the manifest says, as far as that can be told without fetching it."""

    def open_set(self, table_id: int, files: Sequence[FileEntry], place: int = 0) -> FileSet | None:
        """Return those of ``files`` that are intact, for a query; ``None`` if there are none.

        What is kept for the next query is kept by ``place``: a table may have several sets at once.
        """

    def forget(self, table_id: int) -> None:
        """Let go of what is kept for queries of a deleted table."""


class LocalSets(FileReader, Protocol):
    """The folders of files that queries read, and what a cache needs of them."""

    def let_go(self, file: FileEntry) -> bool:
        """Give up the folder that links to ``file``; return whether the file may go, for no query uses it."""


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """How an object store is doing: whether it can be used, and the size of the files of it that are here."""

    url: str
    is_up: bool
    cache_bytes: int


class Objects(Protocol):
    """Where the durable files of one node are. Methods but those of ``reader`` are called by one thread at a time."""

    def open(self) -> None:
        """Bring the manifest and the checkpoint that it names into the folder; called before they are read.

        Raises:
            StorageError: the files are kept elsewhere, or are not ours; the text says how to go on.
            Unavailable: they cannot be reached.
        """

    def check(self) -> None:
        """Raise at once what ``publish`` would surely raise now; called before the work for a snapshot begins."""

    def reader(self, sets: LocalSets) -> FileReader:
        """Return what reads Parquet files, by way of the ``sets`` of those that are in the folder; called once."""

    def publish(self, manifest: Manifest, encoded: bytes) -> None:
        """Make everything that ``manifest`` names durable where it is kept, and then ``manifest`` itself.

        Called when the new files are synced, before the manifest in the folder is replaced.

        Raises:
            EngineError: that failed; what was kept before is still kept.
        """

    def tidy(self, manifest: Manifest) -> None:
        """Let go of what ``manifest``, which is durable everywhere, does not name any more."""

    def figures(self) -> StoreFigures | None:
        """Return how the store is doing, ``None`` where everything is in the folder."""

    def begin(self, position: Callable[[], int], on_lost: Callable[[str], None]) -> None:
        """Begin to look after what is kept elsewhere.

        ``position`` tells how far the log goes; ``on_lost`` is told why, when the files are not ours any more.
        """

    def tick(self) -> None:
        """Do what the time demands, where no thread of its own does it."""

    def close(self, *, is_complete: bool) -> None:
        """Give the files up; ``is_complete``: the log holds nothing that they lack. A second call does nothing."""

    def held(self, file: FileEntry) -> AbstractContextManager[Path | None]:
        """Return a context in which ``file`` is at the path that it gives; ``None`` if it is lost.

        Raises:
            Unavailable: it cannot be fetched.
        """


class LocalObjects:
    """Everything is in the folder of the node, and nowhere else (``--object-store file`` and ``memory``)."""

    def __init__(self, disk: Disk, paths: NodePaths) -> None:
        self._disk = disk
        self._paths = paths

    def open(self) -> None:
        """See ``Objects``."""
        known = read_home(self._disk, self._paths)
        if known is not None:
            raise ObjectStoreRefused(
                f"the data of {self._paths.root} is kept in {known.url}, and this folder may hold a part of it only: serve "
                f"with the --object-store that it belongs to, or remove {self._paths.home} to go on with what is here"
            )

    def reader(self, sets: LocalSets) -> FileReader:
        """See ``Objects``."""
        return sets

    def check(self) -> None:
        """See ``Objects``."""

    def publish(self, manifest: Manifest, encoded: bytes) -> None:
        """See ``Objects``."""

    def tidy(self, manifest: Manifest) -> None:
        """See ``Objects``."""

    def figures(self) -> StoreFigures | None:
        """See ``Objects``."""
        return None

    def begin(self, position: Callable[[], int], on_lost: Callable[[str], None]) -> None:
        """See ``Objects``."""

    def tick(self) -> None:
        """See ``Objects``."""

    def close(self, *, is_complete: bool) -> None:
        """See ``Objects``."""

    @contextmanager
    def held(self, file: FileEntry) -> Iterator[Path | None]:
        """See ``Objects``."""
        yield self._paths.table_folder(file.table_id) / file.name


class Home(msgspec.Struct, frozen=True):
    """What a folder says of the object store that its data is kept in.

    Attributes:
        holder: the id of this folder.
        epoch: it last had the data with this epoch.
        is_complete: the store held all of the data when this folder gave it up.
    """

    url: str
    holder: str
    epoch: int
    is_complete: bool


def read_home(disk: Disk, paths: NodePaths) -> Home | None:
    """Return where the data of a folder is kept, ``None`` if only in the folder.

    Raises:
        ManifestCorrupt: that cannot be read.
    """
    if not disk.exists(paths.home):
        return None
    try:
        return msgspec.json.decode(disk.read(paths.home), type=Home)
    except msgspec.DecodeError as cause:
        raise ManifestCorrupt(f"{paths.home} is damaged: {cause}") from cause


def write_home(disk: Disk, paths: NodePaths, home: Home) -> None:
    """Make the folder say where its data is kept."""
    replace_file(disk, paths.home, msgspec.json.format(msgspec.json.encode(home)) + b"\n")


def each_file(
    folders: Sequence[Path], partly: Sequence[PartlyRead], absent: Sequence[AbsentFile]
) -> Iterator[tuple[Path, Ranges]]:
    """Yield the files of a view one by one, the oldest windows first, and which times of them are not read.

    Each is there until the next one is asked for.
    """
    here: list[tuple[Path, Ranges]] = [(path, ()) for folder in folders for path in folder.iterdir()]
    here += [(path, part.excluded) for part in partly for path in part.folder.iterdir()]
    yield from sorted(here, key=lambda found: (first_window(found[0]), found[0].name))
    for file in sorted(absent, key=lambda file: file.min_time):
        with file.held() as path:
            if path is not None:
                yield path, file.excluded


def first_window(path: Path) -> int:
    """Return the start of the window, in ns, that the first row of a Parquet file is in."""
    return int(path.name.split(".")[0])
