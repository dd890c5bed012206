"""A server, and plugin hosts, that end at a step a test names: the real ones, on a disk and a connection with a fuse."""

import os
import socket
import sys
from pathlib import Path

import msgspec

from engine.disk import AppendFile, Bytes, Lock, RealDisk
from engine.host.channel import Channel
from engine.host.protocol import FromHost, ToHost
from engine.settings import Settings
from tests.support.crash.fuse import Fuse

FUSE = "TEST_FUSE"
"""The environment variable with the folder of the fuse; plugin hosts inherit it."""

ROOT = Path(__file__).parents[3]
SERVER_CODE = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {__name__} import serve; serve()"
HOST_CODE = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); import engine.host.main; from {__name__} import host; host()"
)
_KINDS = {".wal": "wal", ".parquet": "parquet"}


def server_command() -> tuple[str, ...]:
    """Return the command of a server with a fuse; options of ``serve`` follow."""
    return (sys.executable, "-c", SERVER_CODE)


def serve() -> None:
    """Run a server, as ``influxdb3 serve`` does."""
    from engine.clock import SystemClock
    from engine.plugins.executors.host import ExecutorConfig, HostExecutor
    from engine.plugins.processes import HOST_OPTIONS, HostConfig
    from engine.runtime import Outside
    from engine.server.main import run

    settings = Settings.resolve(_options(sys.argv[1:]), os.environ)
    command = (sys.executable, *HOST_OPTIONS, "-c", HOST_CODE)
    host = HostConfig(dict(os.environ), settings.plugin_dir, settings.virtual_env_location, command)
    executor = HostExecutor(ExecutorConfig(host, settings.plugin_freeze_timeout_s), SystemClock())
    disk = FusedDisk(Fuse(Path(os.environ[FUSE]), "server"))
    raise SystemExit(run(settings, Outside(disk=disk, executor=executor)))


def host() -> None:
    """Run a plugin host."""
    from engine.host.main import main

    fuse = Fuse(Path(os.environ[FUSE]), "host")
    main(lambda sock: FusedChannel(sock, fuse))


def _options(words: list[str]) -> dict[str, object]:
    """Return options given as ``--name value`` or ``--flag``."""
    found: dict[str, object] = {}
    for at, word in enumerate(words):
        if word.startswith("--"):
            following = words[at + 1] if at + 1 < len(words) else "--"
            found[word[2:]] = True if following.startswith("--") else following
    return {name.replace("-", "_"): value for name, value in found.items()}


class FusedChannel(Channel[ToHost]):
    """A host's connection: its steps are ``send`` and ``receive`` of a message, named by its type."""

    def __init__(self, sock: socket.socket, fuse: Fuse) -> None:
        super().__init__(sock, msgspec.msgpack.Decoder(ToHost))
        self._fuse = fuse

    def send(self, message: ToHost | FromHost) -> None:
        """See ``Channel``."""
        self._fuse.step("send", type(message).__name__, lambda: super(FusedChannel, self).send(message))

    def receive(self) -> ToHost | None:
        """See ``Channel``."""
        message = super().receive()
        self._fuse.step("receive", type(message).__name__, lambda: None)
        return message


class FusedDisk(RealDisk):
    """The machine's files: steps are the methods that change or sync something, named with the kind of the file."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def make_folder(self, path: Path) -> None:
        """See ``Disk``."""
        self._fuse.step("make_folder", kind_of(path), lambda: super(FusedDisk, self).make_folder(path))

    def write(self, path: Path, data: Bytes) -> None:
        """See ``Disk``."""
        whole = super().write
        half = memoryview(data)[: len(data) // 2]
        self._fuse.step("write", kind_of(path), lambda: whole(path, data), lambda: whole(path, half))

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        """See ``Disk``."""
        inner = self._fuse.step(
            "open_append", kind_of(path), lambda: super(FusedDisk, self).open_append(path, preallocate_bytes)
        )
        return _FusedFile(inner, kind_of(path), self._fuse)

    def sync_file(self, path: Path) -> None:
        """See ``Disk``."""
        self._fuse.step("sync_file", kind_of(path), lambda: super(FusedDisk, self).sync_file(path))

    def sync_folder(self, path: Path) -> None:
        """See ``Disk``."""
        self._fuse.step("sync_folder", kind_of(path), lambda: super(FusedDisk, self).sync_folder(path))

    def replace(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        self._fuse.step("replace", kind_of(target), lambda: super(FusedDisk, self).replace(source, target))

    def link(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        self._fuse.step("link", kind_of(target), lambda: super(FusedDisk, self).link(source, target))

    def remove(self, path: Path) -> None:
        """See ``Disk``."""
        self._fuse.step("remove", kind_of(path), lambda: super(FusedDisk, self).remove(path))

    def remove_folder(self, path: Path) -> None:
        """See ``Disk``."""
        self._fuse.step("remove_folder", kind_of(path), lambda: super(FusedDisk, self).remove_folder(path))

    def lock(self, path: Path) -> Lock:
        """See ``Disk``."""
        return self._fuse.step("lock", kind_of(path), lambda: super(FusedDisk, self).lock(path))


class _FusedFile:
    """A file that is open for writing."""

    def __init__(self, inner: AppendFile, kind: str, fuse: Fuse) -> None:
        self._inner = inner
        self._kind = kind
        self._fuse = fuse

    def write_at(self, offset: int, *parts: Bytes) -> None:
        def torn() -> None:
            data = b"".join(parts)
            self._inner.write_at(offset, data[: len(data) // 2])

        self._fuse.step("write_at", self._kind, lambda: self._inner.write_at(offset, *parts), torn)

    def sync(self) -> None:
        self._fuse.step("sync", self._kind, self._inner.sync)

    def truncate(self, size: int) -> None:
        self._fuse.step("truncate", self._kind, lambda: self._inner.truncate(size))

    def close(self) -> None:
        self._inner.close()


def kind_of(path: Path) -> str:
    """Return the word for what kind of file or folder ``path`` is, as steps name it."""
    parents = {parent.name for parent in path.parents} | {path.name}
    for folder in ("backfills", "file-sets", "checkpoints", "plugin-cache"):
        if folder in parents:
            return folder
    if path.suffix in _KINDS:
        return _KINDS[path.suffix]
    if path.name.startswith(("manifest", "catalog.toml")):
        return path.name.split(".")[0]
    return path.name if path.name in ("wal", "parquet", "lock") else "parquet" if "parquet" in parents else "folder"
