"""Objects: the object ``manifest``, and what a folder is beside it."""

import pytest

from engine.errors import ManifestCorrupt
from engine.storage.kept import Folder, Kept, decide_folder, decode_kept, encode_kept
from engine.storage.objects import Home

KEPT = Kept(epoch=3, holder="a", serial=9, checkpoint="c", manifest=b"m")
MINE, OTHER = Home("u", "a", 3, is_complete=False), Home("u", "b", 2, is_complete=False)
NEVER = Home("u", "b", 0, is_complete=False)


@pytest.mark.parametrize(
    ("home", "kept", "has_data", "expected"),
    [
        pytest.param(None, None, False, Folder.FIRST, id="all-new"),
        pytest.param(None, None, True, Folder.FIRST, id="folder-goes-to-the-store"),
        pytest.param(NEVER, None, True, Folder.FIRST, id="stopped-on-its-way-to-the-store"),
        pytest.param(MINE, None, True, Folder.FORGOTTEN, id="store-was-emptied"),
        pytest.param(MINE, KEPT, True, Folder.CURRENT, id="as-always"),
        pytest.param(
            Home("u", "a", 0, is_complete=False), KEPT, False, Folder.CURRENT, id="stopped-while-it-was-filled"
        ),
        pytest.param(None, KEPT, False, Folder.EMPTY, id="new-machine"),
        pytest.param(NEVER, KEPT, False, Folder.EMPTY, id="new-machine-that-came-too-late"),
        pytest.param(None, KEPT, True, Folder.FOREIGN, id="data-of-its-own"),
        pytest.param(NEVER, KEPT, True, Folder.FOREIGN, id="data-of-its-own-that-came-too-late"),
        pytest.param(OTHER, KEPT, True, Folder.STALE, id="taken-over"),
        pytest.param(Home("u", "b", 2, is_complete=True), KEPT, True, Folder.LEFTOVER, id="given-up"),
    ],
)
def test_a_folder(home: Home | None, kept: Kept | None, has_data: bool, expected: Folder) -> None:
    assert decide_folder(home, kept, has_data=has_data) is expected


def test_the_object_survives_its_bytes() -> None:
    assert decode_kept(encode_kept(KEPT), "there") == KEPT


def test_the_object_has_the_bytes_of_version_1() -> None:
    assert encode_kept(KEPT).hex() == "49334f4d01000000" + encode_kept(KEPT)[8:12].hex() + "9503a16109a163c4016d"


@pytest.mark.parametrize(
    ("at", "value", "text"), [(0, 0, "does not begin"), (4, 2, "has format 2"), (-1, 0, "checksum does not match")]
)
def test_a_damaged_object_is_told(at: int, value: int, text: str) -> None:
    data = bytearray(encode_kept(KEPT))
    data[at] = value
    with pytest.raises(ManifestCorrupt, match=text):
        decode_kept(bytes(data), "there")
