"""What is taken out of archives, and what is not."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from engine.plugins.archives import ArchiveRefused, Limits, unpack

SMALL = Limits(sent_bytes=10_000, unpacked_bytes=50_000, plugin_bytes=1000, plugin_files=3, members=20)


def tar_of(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in more:
            archive.addfile(entry)
    return out.getvalue()


def targz_of(files: dict[str, bytes]) -> bytes:
    return gzip.compress(tar_of(files))


def zip_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


KINDS = pytest.mark.parametrize("make", [tar_of, targz_of, zip_of])
Make = Callable[[dict[str, bytes]], bytes]
PACK = {"repo-1/pack/__init__.py": b"1", "repo-1/pack/deep/a.py": b"2", "repo-1/other.py": b"3", "repo-1/packed/x": b""}


@KINDS
@pytest.mark.parametrize(
    ("files", "inside", "found"),
    [
        pytest.param(PACK, "pack", {"__init__.py": b"1", "deep/a.py": b"2"}, id="folder"),
        pytest.param(PACK, "other.py", {"": b"3"}, id="file"),
        pytest.param(PACK, "gone", {}, id="nothing"),
        pytest.param({"pack/__init__.py": b"1"}, "", {"__init__.py": b"1"}, id="it-is-the-plugin"),
        pytest.param({"__init__.py": b"1", "a.py": b"2"}, "", {"__init__.py": b"1", "a.py": b"2"}, id="no-folder"),
        pytest.param({"pack/__init__.py": b"1"}, "pack", {"__init__.py": b"1"}, id="no-folder-of-a-forge"),
        pytest.param({"pack/../../x": b"", "/pack/y": b"", "pack/a.py": b"1"}, "pack", {"a.py": b"1"}, id="traversal"),
    ],
)
def test_the_files_of_a_folder_are_found(
    make: Make, files: dict[str, bytes], inside: str, found: dict[str, bytes]
) -> None:
    assert unpack(make(files), inside, SMALL) == found


def test_only_plain_files_are_taken() -> None:
    link, device = tarfile.TarInfo("pack/link.py"), tarfile.TarInfo("pack/device")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device.type = tarfile.CHRTYPE
    assert unpack(tar_of({"pack/a.py": b"1"}, link, device), "pack", SMALL) == {"a.py": b"1"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("pack/link.py")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
        archive.writestr("pack/a.py", "1")
    assert unpack(out.getvalue(), "pack", SMALL) == {"a.py": b"1"}


@KINDS
@pytest.mark.parametrize(
    ("files", "text"),
    [
        pytest.param({"p/a": b"\0" * 1001}, "it holds 1001 bytes, most are 1000", id="bytes"),
        pytest.param({f"p/{n}": b"" for n in range(4)}, "it holds 4 files, most are 3", id="files"),
        pytest.param({f"p/{n}": b"" for n in range(30)}, "more than 20 entries", id="entries"),
    ],
)
def test_what_passes_a_limit_is_refused(make: Make, files: dict[str, bytes], text: str) -> None:
    with pytest.raises(ArchiveRefused, match=text):
        unpack(make(files), "p", SMALL)


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 60_000, mtime=0)
    assert len(bomb) < 200
    with pytest.raises(ArchiveRefused, match="unpacks to more than 50000 bytes"):
        unpack(bomb, "", SMALL)
    liar = zip_of({"p/a": b"\0" * 60_000}).replace((60_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(ArchiveRefused, match="damaged"):
        unpack(liar, "p", SMALL)


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"<html>no</html>",
        b"PK but no more",
        b"\x1f\x8bno",
        gzip.compress(b"no tar" * 200, mtime=0),
        targz_of(PACK)[:-20],
        zip_of(PACK)[:-9],
        tar_of({"p/a": b"1" * 900})[:700],
    ],
)
def test_what_is_damaged_is_refused(archive: bytes) -> None:
    with pytest.raises(ArchiveRefused):
        unpack(archive, "p", SMALL)
