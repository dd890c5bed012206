"""Archives of plugins: what is in them, within bounds that a hostile one does not pass."""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from engine.errors import PluginError
from engine.plugins.places import leaves_folder


@dataclass(frozen=True, slots=True)
class Limits:
    """What may come from a repository.

    Attributes:
        sent_bytes: of one file or archive, as it is sent.
        unpacked_bytes: of a compressed archive as a whole, where it must be unpacked to be read.
        plugin_bytes: of the files of one plugin.
        members: entries of an archive, whosever they are.
    """

    sent_bytes: int = 32 << 20
    unpacked_bytes: int = 256 << 20
    plugin_bytes: int = 16 << 20
    plugin_files: int = 1000
    members: int = 50_000


class ArchiveRefused(PluginError):
    """An archive that is damaged, or passes a limit."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    read: Callable[[], bytes]


def unpack(archive: bytes, inside: str, limits: Limits) -> dict[str, bytes]:
    """Return the files (relative path, content) below the folder ``inside``, or the file of this name under ``''``.

    One folder at the top that holds everything – the archives of forges have it – does not count. Only plain files
    are taken: no links, no devices, nothing whose name leads elsewhere. Nothing found is an empty answer.

    Raises:
        ArchiveRefused: it is no archive, damaged, or passes a limit.
    """
    try:
        members = _zip(archive, limits) if archive[:2] == b"PK" else _tar(archive, limits)
        safe = [m for m in members if m.name and not leaves_folder(m.name) and "\0" not in m.name]
        tops = {m.name.partition("/")[0] for m in safe}
        for strip in ([next(iter(tops)) + "/"] if len(tops) == 1 else []) + [""]:
            chosen = _below(safe, strip + inside if inside else strip)
            if chosen:
                return _contents(chosen, limits)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
        raise ArchiveRefused(f"the archive is damaged: {error}") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or compressed in a rare way
        raise ArchiveRefused(f"the archive cannot be read: {error}") from error
    return {}


def _below(members: Iterable[_Member], place: str) -> dict[str, _Member]:
    folder = place if place.endswith("/") or not place else f"{place}/"
    found = {m.name.removeprefix(folder): m for m in members if m.name.startswith(folder)}
    alone = [m for m in members if m.name == place]
    return found or ({"": alone[-1]} if alone else {})


def _contents(members: dict[str, _Member], limits: Limits) -> dict[str, bytes]:
    if len(members) > limits.plugin_files:
        raise ArchiveRefused(f"it holds {len(members)} files, most are {limits.plugin_files}")
    if (total := sum(m.size for m in members.values())) > limits.plugin_bytes:
        raise ArchiveRefused(f"it holds {total} bytes, most are {limits.plugin_bytes}")
    return {name: _content(member) for name, member in members.items()}


def _content(member: _Member) -> bytes:
    """Return what is in a file, which is as long as its entry tells: that was held against the limit."""
    content = member.read()
    if len(content) != member.size:
        raise ArchiveRefused(f"the archive is damaged: {member.name!r} has not the size that it tells")
    return content


def _zip(archive: bytes, limits: Limits) -> list[_Member]:
    opened = zipfile.ZipFile(io.BytesIO(archive))
    entries = opened.infolist()
    _check_count(len(entries), limits)
    return [
        _Member(e.filename, e.file_size, partial(_read_zipped, opened, e))
        for e in entries
        if not e.is_dir() and (e.external_attr >> 28) in (0, 0o10)  # no kind of file told, or a plain one
    ]


def _read_zipped(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        return file.read(entry.file_size + 1)


def _tar(archive: bytes, limits: Limits) -> list[_Member]:
    if archive[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as packed:
            archive = packed.read(limits.unpacked_bytes + 1)
        if len(archive) > limits.unpacked_bytes:
            raise ArchiveRefused(f"the archive unpacks to more than {limits.unpacked_bytes} bytes")
    members: list[_Member] = []
    opened = tarfile.open(fileobj=io.BytesIO(archive), mode="r:")  # noqa: SIM115 - members are read later
    for number, entry in enumerate(opened):
        _check_count(number, limits)
        if entry.isreg() and not entry.issparse():
            begin = entry.offset_data
            members.append(_Member(entry.name, entry.size, partial(_slice, archive, begin, begin + entry.size)))
    return members


def _slice(archive: bytes, begin: int, end: int) -> bytes:
    return archive[begin:end]


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.members:
        raise ArchiveRefused(f"the archive has more than {limits.members} entries")
