from pathlib import Path

import pytest

from engine.disk import RealDisk
from engine.storage.checksums import checksum
from engine.storage.filesets import FileSets
from engine.storage.manifest import FileEntry

TABLE_ID = 7


class Folder:
    """A table's folder of files, and the sets that are made of them."""

    def __init__(self, root: Path) -> None:
        self.disk = RealDisk()
        self.files = root / "files"
        self.files.mkdir()
        (root / "sets").mkdir()
        self.sets = FileSets(self.disk, root / "sets", lambda table_id: self.files)

    def file(self, name: str) -> FileEntry:
        data = name.encode() * 100
        (self.files / name).write_bytes(data)
        return FileEntry(name, TABLE_ID, 0, 1, 1, 1, 0, 0, len(data), checksum(data), 1)

    def names(self, files: tuple[FileEntry, ...], place: int = 0) -> tuple[Path | None, list[str]]:
        """Open a set of ``files`` and close it again; return its folder and what was in it."""
        opened = self.sets.open_set(TABLE_ID, files, place)
        if opened is None:
            return None, []
        assert opened.folder is not None
        names = sorted(path.name for path in opened.folder.iterdir())
        opened.release()
        return opened.folder, names


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_same_files_have_the_same_folder_also_as_another_tuple(folder: Folder) -> None:
    files = (folder.file("a"), folder.file("b"))
    first = folder.names(files)
    assert first[1] == ["a", "b"]
    assert folder.names(files) == folder.names(files[:1] + files[1:]) == first


def test_other_files_have_another_folder_and_the_first_one_goes(folder: Folder) -> None:
    files = (folder.file("a"), folder.file("b"))
    first, _ = folder.names(files)
    second, names = folder.names(files[1:])
    assert names == ["b"]
    assert second != first
    assert first is not None
    assert not first.exists()


def test_a_folder_that_was_forgotten_is_not_given_again(folder: Folder) -> None:
    files = (folder.file("a"),)
    first, _ = folder.names(files)
    folder.sets.forget(TABLE_ID)
    second, names = folder.names(files)
    assert second != first
    assert names == ["a"]


def test_no_files_have_no_folder_whatever_was_there_before(folder: Folder) -> None:
    missing = folder.file("a")
    (folder.files / "a").unlink()
    folder.names((missing, folder.file("b")))
    assert folder.names(()) == (None, [])


def test_a_missing_file_is_in_the_folder_once_it_is_there_again(folder: Folder) -> None:
    files = (folder.file("a"), folder.file("b"))
    (folder.files / "a").unlink()
    assert folder.names(files)[1] == ["b"]
    folder.file("a")
    folder.sets.let_go(files[0])
    assert folder.names(files)[1] == ["a", "b"]
