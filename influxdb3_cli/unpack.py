"""Makes of the stream that a backup is a folder from which a server starts."""

import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from engine.model.backup import CONTENTS, FORMAT, MARK, MARK_TEXT
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.texts import os_error, quote

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a backup came to; ``missing`` are files that the server itself had lost."""

    node_id: str
    files: int
    size_bytes: int
    missing: tuple[str, ...]


def check_target(folder: Path) -> None:
    """Raise ``CommandFailed`` unless ``folder`` is empty, or is not there yet."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandFailed(f"{quote(str(folder))} is not an empty folder; a backup needs one of its own")
    except OSError as error:
        raise CommandFailed(os_error(error)) from error


def unpack(pieces: Iterator[bytes], folder: Path) -> Unpacked:
    """Write the files of a backup below ``folder``, all of them durable, and compare them with its list.

    Whatever goes wrong, what is there then holds the mark of an unfinished backup, and no server takes it for a whole one.

    Raises:
        CommandFailed: the disk failed, or what came is not what the server sent; the text says how to go on.
    """
    try:
        return _Unpacking(folder).run(pieces)
    except OSError as error:
        raise _unfinished(os_error(error), folder) from error
    except CommandFailed as error:
        raise _unfinished(str(error), folder) from error
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise _unfinished(f"what the server sent cannot be read ({error})", folder) from error


def _unfinished(reason: str, folder: Path) -> CommandFailed:
    return CommandFailed(f"the backup is unfinished: {reason}. Remove what is in {quote(str(folder))}, and try again")


class _Unpacking:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, tuple[int, int]] = {}

    def run(self, pieces: Iterator[bytes]) -> Unpacked:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / MARK).write_bytes(MARK_TEXT)
        _sync(self._folder)
        contents: bytes | None = None
        with tarfile.open(fileobj=cast(IO[bytes], _Reader(pieces)), mode="r|") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None:
                    raise ValueError(f"{entry.name!r} is no file")
                if entry.name == CONTENTS:
                    contents = content.read()
                else:
                    self._store(entry.name, content)
        if contents is None:
            raise ValueError("its end is missing")
        return self._finish(json.loads(contents), contents)

    def _store(self, name: str, content: IO[bytes]) -> None:
        path = self._path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        checksum = size = 0
        with open(path, "xb", opener=lambda target, flags: os.open(target, flags, 0o600)) as file:
            while piece := content.read(_PIECE_BYTES):
                file.write(piece)
                checksum, size = zlib.crc32(piece, checksum), size + len(piece)
            file.flush()
            os.fsync(file.fileno())
        self._found[name] = (size, checksum)

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or ".." in parts or PurePosixPath(name).is_absolute():
            raise ValueError(f"{name!r} is no name of a file in a backup")
        return self._folder.joinpath(*parts)

    def _finish(self, contents: dict[str, Any], text: bytes) -> Unpacked:
        if contents["format"] != FORMAT:
            raise ValueError(
                f"it has format {contents['format']}, this influxdb3 knows {FORMAT}: use that of the server"
            )
        node_id, listed = contents["node_id"], contents["files"]
        for file in listed:
            if self._found.get(f"{node_id}/{file['name']}") != (file["size"], file["crc32"]):
                raise ValueError(f"{file['name']} is not what the server sent")
        (self._folder / CONTENTS).write_bytes(text)
        for parent, _, _ in os.walk(self._folder):
            _sync(Path(parent))
        (self._folder / MARK).unlink()
        _sync(self._folder)
        return Unpacked(node_id, len(listed), sum(file["size"] for file in listed), tuple(contents["missing"]))


class _Reader:
    """The pieces of a stream as a file that is read from its beginning to its end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._waiting = b""

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer at the end."""
        parts = [self._waiting]
        have = len(self._waiting)
        while have < size and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            have += len(piece)
        joined = b"".join(parts)
        self._waiting = joined[size:]
        return joined[:size]


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
