from pathlib import Path

import pytest

from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.uploads import PluginUpload, read_plugin


def test_a_file_goes_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("x = 'ä'\n", encoding="utf-8")
    assert read_plugin(tmp_path / "p.py") == PluginUpload("p.py", (("p.py", "x = 'ä'\n"),))


def test_a_folder_goes_with_all_its_python_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my_plugin"
    for name in ("__init__.py", "models/__init__.py", "models/a.py", "__pycache__/b.py", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link.py").symlink_to(folder / "notes.txt")
    (folder / "linked").symlink_to(folder / "models")
    names = ("__init__.py", "models/__init__.py", "models/a.py")
    expected = PluginUpload("my_plugin", tuple((f"my_plugin/{name}", name) for name in names))
    assert read_plugin(folder) == expected
    monkeypatch.chdir(folder)
    assert read_plugin(Path()) == expected


@pytest.mark.parametrize(
    ("name", "problem"),
    [("gone.py", "File not found: "), ("folder", "Multi-file plugin directory must contain __init__.py: ")],
)
def test_what_cannot_be_sent_is_named(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "more.py").write_text("")
    with pytest.raises(CommandFailed) as refused:
        read_plugin(tmp_path / name)
    assert str(refused.value) == f"{problem}{tmp_path / name}"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_bytes(b"\xff")
    with pytest.raises(CommandFailed, match="not UTF-8"):
        read_plugin(tmp_path / "p.py")
