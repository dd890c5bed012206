"""A disk whose power can fail: it keeps what a crash would leave beside what the running program sees."""

import errno
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from engine.disk import AppendFile, Bytes, Lock, RealDisk

SECTOR = 512


class Stopped(BaseException):
    """The power is gone: this disk does nothing any more."""


Survivors = Literal["all", "none"]


@dataclass(frozen=True)
class _Write:
    offset: int
    data: bytes


@dataclass(frozen=True)
class _Resize:
    size: int
    shrink: bool


@dataclass(eq=False)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Write | _Resize] = field(default_factory=list)


@dataclass(eq=False)
class _Folder:
    live: dict[str, "_File | _Folder"] = field(default_factory=dict)
    durable: dict[str, "_File | _Folder"] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Naming:
    """One change of names that is applied as a whole; ``None`` removes a name."""

    changes: tuple[tuple[_Folder, str, _File | _Folder | None], ...]


class CrashingDisk:
    """A ``Disk`` on a real folder that knows, per file and per name, what was synced.

    Attributes:
        steps: how many operations that change or sync something were begun.
        syncs: how many of them were syncs that succeeded.
        journal: those operations, as (word, path).
        free: what ``free_bytes`` says; ``None`` = the truth.
    """

    def __init__(self, root: Path, seed: int = 0) -> None:
        self.root = root
        self.steps = 0
        self.syncs = 0
        self.journal: list[tuple[str, Path]] = []
        self.free: int | None = None
        self._real = RealDisk()
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._stop_at: int | None = None
        self._stopped = False
        self._held: list[Callable[[], None]] = []
        self._next_syncs: list[tuple[bool, Survivors | None]] = []
        self._failing_writes = 0
        self._namings: list[_Naming] = []
        root.mkdir(parents=True, exist_ok=True)
        self._top = _scan(root)

    # What a test does to it

    def stop_at(self, step: int) -> None:
        """Raise ``Stopped`` at the operation with this number (counted from 0, see ``steps``) and at everything after it."""
        self._stop_at = step

    def fail_next_sync(self, survivors: Survivors | None = None) -> None:
        """Let the next sync of a file or folder raise; ``survivors`` of what it covers are durable, ``None`` = chance decides.

        What does not survive is not made durable by a later sync either, as on Linux.
        """
        self._next_syncs.append((True, survivors))

    def pass_next_sync(self) -> None:
        """Let one more sync succeed before the next one that ``fail_next_sync`` asks for."""
        self._next_syncs.append((False, "all"))

    def fail_next_write(self) -> None:
        """Let the next write raise "no space left" with half of its data written."""
        self._failing_writes += 1

    @property
    def is_stopped(self) -> bool:
        """Return whether the power is gone."""
        return self._stopped

    def is_durable(self, path: Path, offset: int = 0, length: int | None = None) -> bool:
        """Tell whether a crash now would surely leave ``path`` with this part of its present content."""
        with self._lock:
            node: _File | _Folder | None = self._top
            for name in path.relative_to(self.root).parts:
                node = node.durable.get(name) if isinstance(node, _Folder) else None
            if not isinstance(node, _File):
                return False
            end = None if length is None else offset + length
            return path.read_bytes()[offset:end] == bytes(node.durable[offset:end])

    def crash(self, into: Path) -> Path:
        """Write to the new folder ``into`` what a power loss at this moment leaves, by chance; this disk is then stopped."""
        with self._lock:
            self._stop()
            names = self._surviving_names()
            into.mkdir(parents=True)
            self._materialise(self._top, into, names, {})
            return into

    # Disk

    def make_folder(self, path: Path) -> None:
        """See ``Disk``."""
        with self._step("make_folder", path):
            at = self.root
            folder = self._top
            for name in path.relative_to(self.root).parts:
                at = at / name
                if name not in folder.live:
                    self._real.make_folder(at)
                    self._rename((folder, name, _Folder()))
                node = folder.live[name]
                assert isinstance(node, _Folder), f"{at} is a file"
                folder = node

    def list_folder(self, path: Path) -> list[str]:
        """See ``Disk``."""
        self._read()
        return self._real.list_folder(path)

    def exists(self, path: Path) -> bool:
        """See ``Disk``."""
        self._read()
        return self._real.exists(path)

    def read(self, path: Path) -> bytes:
        """See ``Disk``."""
        self._read()
        return self._real.read(path)

    def size(self, path: Path) -> int:
        """See ``Disk``."""
        self._read()
        return self._real.size(path)

    def map(self, path: Path) -> memoryview:
        """See ``Disk``."""
        self._read()
        return self._real.map(path)

    def free_bytes(self, path: Path) -> int:
        """See ``Disk``."""
        self._read()
        return self._real.free_bytes(path) if self.free is None else self.free

    def lock(self, path: Path) -> Lock:
        """See ``Disk``."""
        with self._step("lock", path):
            self._create(path)
            lock = self._real.lock(path)
            self._held.append(lock.release)
            return lock

    def write(self, path: Path, data: Bytes) -> None:
        """See ``Disk``."""
        with self._step("write", path):
            node = self._create(path)
            node.pending.append(_Resize(0, shrink=True))
            kept = self._before_write(bytes(data))
            self._real.write(path, kept)
            node.pending.append(_Write(0, kept))
            self._after_write(kept, data)

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        """See ``Disk``."""
        with self._step("open_append", path):
            node = self._create(path)
            file = self._real.open_append(path, preallocate_bytes)
            self._held.append(file.close)
            node.pending.append(_Resize(preallocate_bytes, shrink=False))
            return _CrashingFile(self, path, node, file)

    def sync_file(self, path: Path) -> None:
        """See ``Disk``."""
        with self._step("sync_file", path):
            node = self._find(path)
            assert isinstance(node, _File), f"{path} is a folder"
            self._sync_content(node)

    def sync_folder(self, path: Path) -> None:
        """See ``Disk``."""
        with self._step("sync_folder", path):
            node = self._find(path)
            mine = [n for n in self._namings if any(folder is node for folder, _, _ in n.changes)]
            self._namings = [n for n in self._namings if n not in mine]
            fails, survivors = self._next_sync()
            for naming in mine:
                if not fails or self._survives(survivors):
                    for folder, name, target in naming.changes:
                        _name(folder.durable, name, target)
            self._end_sync(fails)

    def replace(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        with self._step("replace", target):
            node = self._find(source)
            self._real.replace(source, target)
            self._rename((self._parent(source), source.name, None), (self._parent(target), target.name, node))

    def link(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        with self._step("link", target):
            node = self._find(source)
            self._real.link(source, target)
            self._rename((self._parent(target), target.name, node))

    def remove(self, path: Path) -> None:
        """See ``Disk``."""
        with self._step("remove", path):
            self._find(path)
            self._real.remove(path)
            self._rename((self._parent(path), path.name, None))

    def remove_folder(self, path: Path) -> None:
        """See ``Disk``."""
        for name in self.list_folder(path):
            inner = path / name
            if inner.is_dir():
                self.remove_folder(inner)
            else:
                self.remove(inner)
        with self._step("remove_folder", path):
            self._find(path)
            path.rmdir()
            self._rename((self._parent(path), path.name, None))

    # How it keeps count

    def _stop(self) -> None:
        """Take the power away; what a dead server held is free, though objects of it may live on in a test."""
        self._stopped = True
        while self._held:
            self._held.pop()()

    def _read(self) -> None:
        if self._stopped:
            raise Stopped

    @contextmanager
    def _step(self, word: str, path: Path) -> Iterator[None]:
        with self._lock:
            if self._stop_at is not None and self.steps >= self._stop_at:
                self._stop()
            self._read()
            self.steps += 1
            self.journal.append((word, path))
            yield

    def _parent(self, path: Path) -> _Folder:
        node = self._find(path.parent)
        assert isinstance(node, _Folder), f"{path.parent} is a file"
        return node

    def _find(self, path: Path) -> _File | _Folder:
        """Return what stands at ``path``; a file that somebody wrote past this port is taken in, as not synced."""
        if path == self.root:
            return self._top
        parent = self._parent(path)
        if path.name not in parent.live:
            found = _scan(path) if path.is_dir() else _File(pending=[_Write(0, path.read_bytes())])
            self._rename((parent, path.name, found))
        return parent.live[path.name]

    def _create(self, path: Path) -> _File:
        parent = self._parent(path)
        if path.name not in parent.live and not path.exists():
            self._rename((parent, path.name, _File()))
        node = self._find(path)
        assert isinstance(node, _File), f"{path} is a folder"
        return node

    def _rename(self, *changes: tuple[_Folder, str, _File | _Folder | None]) -> None:
        for folder, name, target in changes:
            _name(folder.live, name, target)
        self._namings.append(_Naming(changes))

    def _before_write(self, data: bytes) -> bytes:
        return data[: len(data) // 2] if self._failing_writes else data

    def _after_write(self, kept: bytes, wanted: Bytes) -> None:
        if self._failing_writes:
            self._failing_writes -= 1
            raise OSError(errno.ENOSPC, f"no space left on device ({len(kept)} of {len(wanted)} bytes written)")

    def _next_sync(self) -> tuple[bool, Survivors | None]:
        return self._next_syncs.pop(0) if self._next_syncs else (False, "all")

    def _survives(self, survivors: Survivors | None) -> bool:
        return survivors == "all" or (survivors is None and self._random.random() < 0.5)

    def _end_sync(self, fails: bool) -> None:
        if fails:
            raise OSError(errno.EIO, "input/output error")
        self.syncs += 1

    def _sync_content(self, node: _File) -> None:
        fails, survivors = self._next_sync()
        pending, node.pending = node.pending, []
        for change in pending:
            if not fails or survivors == "all":
                _apply(node.durable, change)
            elif survivors is None:
                self._apply_part(node.durable, change)
        self._end_sync(fails)

    # What a crash leaves

    def _surviving_names(self) -> dict[_Folder, dict[str, _File | _Folder]]:
        names: dict[_Folder, dict[str, _File | _Folder]] = {}
        for naming in _some_of(self._namings, self._random):
            for folder, name, target in naming.changes:
                _name(names.setdefault(folder, dict(folder.durable)), name, target)
        return names

    def _surviving_content(self, node: _File) -> bytes:
        content = bytearray(node.durable)
        chosen = _some_of(node.pending, self._random)
        whole = self._random.random() < 0.3
        for change in chosen:
            if whole:
                _apply(content, change)
            else:
                self._apply_part(content, change)
        return bytes(content)

    def _apply_part(self, content: bytearray, change: _Write | _Resize) -> None:
        """Apply what survives of ``change``: any of a write's sectors, now and then one of them torn."""
        if isinstance(change, _Resize):
            if self._random.random() < 0.5:
                _apply(content, change)
            return
        end = change.offset + len(change.data)
        at = change.offset
        while at < end:
            stop = min(end, at - at % SECTOR + SECTOR)
            if self._random.random() < 0.5:
                torn = self._random.randint(at, stop) if self._random.random() < 0.1 else stop
                _apply(content, _Write(at, change.data[at - change.offset : torn - change.offset]))
            at = stop

    def _materialise(
        self,
        folder: _Folder,
        into: Path,
        names: dict[_Folder, dict[str, _File | _Folder]],
        written: dict[_File, Path],
    ) -> None:
        for name, node in names.get(folder, folder.durable).items():
            target = into / name
            if isinstance(node, _Folder):
                target.mkdir()
                self._materialise(node, target, names, written)
            elif node in written:
                target.hardlink_to(written[node])
            else:
                target.write_bytes(self._surviving_content(node))
                written[node] = target


class _CrashingFile:
    def __init__(self, disk: CrashingDisk, path: Path, node: _File, real: AppendFile) -> None:
        self._disk = disk
        self._path = path
        self._node = node
        self._real = real

    def write_at(self, offset: int, *parts: Bytes) -> None:
        data = b"".join(parts)
        with self._disk._step("write_at", self._path):
            kept = self._disk._before_write(data)
            self._real.write_at(offset, kept)
            self._node.pending.append(_Write(offset, kept))
            self._disk._after_write(kept, data)

    def sync(self) -> None:
        with self._disk._step("sync", self._path):
            self._disk._sync_content(self._node)

    def truncate(self, size: int) -> None:
        with self._disk._step("truncate", self._path):
            self._real.truncate(size)
            self._node.pending.append(_Resize(size, shrink=True))

    def close(self) -> None:
        self._real.close()


def _scan(path: Path, known: dict[tuple[int, int], _File] | None = None) -> _Folder:
    """Return the folder ``path`` as it stands on the real disk, all of it durable."""
    files = {} if known is None else known
    folder = _Folder()
    for inner in path.iterdir():
        facts = inner.stat()
        if inner.is_dir():
            folder.live[inner.name] = _scan(inner, files)
        else:
            key = (facts.st_dev, facts.st_ino)
            folder.live[inner.name] = files.setdefault(key, _File(durable=bytearray(inner.read_bytes())))
    folder.durable = dict(folder.live)
    return folder


def _name(names: dict[str, _File | _Folder], name: str, target: _File | _Folder | None) -> None:
    if target is None:
        names.pop(name, None)
    else:
        names[name] = target


def _apply(content: bytearray, change: _Write | _Resize) -> None:
    end = change.size if isinstance(change, _Resize) else change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if isinstance(change, _Write):
        content[change.offset : end] = change.data
    elif change.shrink:
        del content[end:]


_Change = TypeVar("_Change")


def _some_of(pending: list[_Change], chance: random.Random) -> list[_Change]:
    """Return what of ``pending`` reached the disk before the crash: nothing, all, the first few, or any of it."""
    how = chance.choice(("none", "all", "first", "any"))
    if how == "any":
        return [change for change in pending if chance.random() < 0.5]
    return pending[: {"none": 0, "all": len(pending)}.get(how, chance.randint(0, len(pending)))]
