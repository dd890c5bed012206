"""Where plugins are, what is said of them, how they change."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.errors import EngineError, EngineOff, InvalidRequest, PluginError, PluginNotFound
from engine.plugins.places import leaves_folder
from engine.plugins.registry import PluginRegistry
from engine.plugins.repository import Repository

WRITES = "def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plugins = tmp_path / "plugins"
    (plugins / "pack" / "models" / "__pycache__").mkdir(parents=True)
    (plugins / "one.py").write_text(WRITES)
    (plugins / "pack" / "__init__.py").write_text("from .work import process_writes\n")
    (plugins / "pack" / "work.py").write_text(WRITES)
    (plugins / "pack" / "README.md").write_text("about")
    (plugins / "pack" / "models" / "__init__.py").write_text("")
    (plugins / "pack" / "models" / "processor.py").write_text("")
    (plugins / "pack" / "models" / "__pycache__" / "processor.py").write_text("")
    (plugins / "bare").mkdir()
    (tmp_path / "outside.py").write_text(WRITES)
    return plugins


@pytest.fixture
def registry(folder: Path, tmp_path: Path) -> PluginRegistry:
    return PluginRegistry(folder, f"file://{tmp_path}/repository", tmp_path / "cache", SystemClock())


# ---- finding


@pytest.mark.parametrize(
    ("name", "found"), [("one.py", "one.py"), ("pack", "pack"), ("pack/", "pack"), ("pack/work.py", "pack/work.py")]
)
def test_files_and_folders_are_found_in_the_plugin_dir(
    registry: PluginRegistry, folder: Path, name: str, found: str
) -> None:
    source = registry.resolve(name)
    assert (source.filename, source.path) == (name, str(folder / found))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("no.py", "reading plugin file: Plugin not found: {folder}/no.py", id="B2.1"),
        pytest.param(
            "bare",
            "reading plugin file: Multi-file plugin directory must contain __init__.py: {folder}/bare",
            id="B2.6",
        ),
    ],
)
def test_what_is_not_there_is_said_with_its_path(registry: PluginRegistry, folder: Path, name: str, text: str) -> None:
    with pytest.raises(PluginNotFound) as caught:
        registry.resolve(name)
    assert str(caught.value) == text.format(folder=folder)


@pytest.mark.parametrize(
    "name", ["../x.py", "/etc/x.py", "a/../../x.py", "pack/../one.py", "C:x.py", "\\\\s\\x.py", ".."]
)
def test_names_that_leave_the_plugin_dir_are_refused(registry: PluginRegistry, name: str) -> None:
    """B2.4"""
    text = f"Path traversal detected: plugin filename '{name}' attempts to access files outside the plugin directory"
    changes: list[Callable[[], object]] = [
        lambda: registry.resolve(name),
        lambda: registry.write_file(name, "x"),
        lambda: registry.replace_file(name, "x"),
        lambda: registry.replace_folder(name, [("__init__.py", "x")]),
        lambda: registry.replace_folder("pack", [("__init__.py", ""), (name, "x")]),
    ]
    for change in changes:
        with pytest.raises(PluginError) as caught:
            change()
        assert str(caught.value) == text


def test_links_that_leave_the_plugin_dir_are_refused(registry: PluginRegistry, folder: Path, tmp_path: Path) -> None:
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    (folder / "up").symlink_to(tmp_path)
    for name in ("link.py", "up/outside.py", "up/new.py"):
        with pytest.raises(PluginError, match="Path traversal detected"):
            registry.resolve(name)
        with pytest.raises(PluginError, match="Path traversal detected"):
            registry.write_file(name, "changed")
    assert (tmp_path / "outside.py").read_text() == WRITES
    assert not (tmp_path / "new.py").exists()


def test_links_within_the_plugin_dir_are_followed_anew_each_time(registry: PluginRegistry, folder: Path) -> None:
    (folder / "two.py").write_text("2")
    (folder / "link.py").symlink_to("one.py")
    assert registry.resolve("link.py").path == str(folder / "one.py")
    (folder / "link.py").unlink()
    (folder / "link.py").symlink_to("two.py")
    assert registry.resolve("link.py").path == str(folder / "two.py")


@pytest.mark.parametrize("name", ["a\0b.py", "circle.py", "x" * 5000])
def test_names_that_the_disk_does_not_know_are_not_there(registry: PluginRegistry, folder: Path, name: str) -> None:
    (folder / "circle.py").symlink_to("circle.py")
    with pytest.raises(PluginError, match="reading plugin file: "):
        registry.resolve(name)


def test_text_that_is_no_utf8_is_refused(registry: PluginRegistry, folder: Path) -> None:
    (folder / "latin.py").write_bytes(b"# \xe9\n")
    with pytest.raises(PluginError, match="reading plugin file: 'utf-8' codec can't decode"):
        registry.resolve("latin.py")


def test_a_plugin_that_vanishes_is_noticed(registry: PluginRegistry, folder: Path) -> None:
    registry.resolve("pack")
    shutil.rmtree(folder / "pack")
    with pytest.raises(PluginNotFound):
        registry.resolve("pack")


def test_without_plugin_dir_every_operation_says_the_same(tmp_path: Path) -> None:
    """B2.21, and seed: plugin-related operations return a "No plugin directory configured" error"""
    registry = PluginRegistry(None, "http://127.0.0.1:1/", tmp_path, SystemClock())
    operations: list[Callable[[], object]] = [
        lambda: registry.resolve("one.py"),
        lambda: registry.resolve("gh:one.py"),
        lambda: registry.refresh("gh:one.py"),
        lambda: registry.write_file("one.py", "x"),
        lambda: registry.replace_file("one.py", "x"),
        lambda: registry.replace_folder("pack", []),
    ]
    for operation in operations:
        with pytest.raises(EngineOff, match=r"^No plugin directory configured"):
            operation()
    assert registry.list_files("one.py") == []


# ---- gh:


def publish(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "repository" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_file_of_the_repository_is_kept_on_disk(registry: PluginRegistry, tmp_path: Path) -> None:
    publish(tmp_path, "examples/a b.py", WRITES.encode())
    source = registry.resolve("gh:examples/a b.py")
    assert Path(source.path).read_text() == WRITES
    shutil.rmtree(tmp_path / "repository")
    again = PluginRegistry(tmp_path / "plugins", f"file://{tmp_path}/repository/", tmp_path / "cache", SystemClock())
    assert again.resolve("gh:examples/a b.py") == source


def test_a_file_of_the_repository_stays_as_it_is_until_it_is_refreshed(
    registry: PluginRegistry, tmp_path: Path
) -> None:
    publish(tmp_path, "a.py", b"1")
    registry.resolve("gh:a.py")
    publish(tmp_path, "a.py", b"2")
    assert Path(registry.resolve("gh:a.py").path).read_bytes() == b"1"
    assert Path(registry.refresh("gh:a.py").path).read_bytes() == b"2"


def test_a_file_that_the_repository_does_not_have_is_said_with_its_address(
    registry: PluginRegistry, tmp_path: Path
) -> None:
    """B2.2"""
    with pytest.raises(PluginError) as caught:
        registry.resolve("gh:not_a_file.py")
    url = f"file://{tmp_path}/repository/not_a_file.py"
    assert str(caught.value) == f"error fetching plugin from repository: 404 Not Found {url}"


def test_refreshing_without_network_uses_the_copy_on_disk(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = "http://127.0.0.1:9/"
    registry = PluginRegistry(folder, base, tmp_path / "cache", SystemClock())
    with pytest.raises(PluginError, match="error getting plugin from repository"):
        registry.resolve("gh:a.py")
    kept = Repository(base, tmp_path / "cache", SystemClock()).cached("gh:a.py")
    kept.parent.mkdir(parents=True)
    kept.write_text(WRITES)
    with caplog.at_level(logging.WARNING):
        assert registry.refresh("gh:a.py").path == str(kept)
    assert "the copy on disk is used" in caplog.text


def test_what_is_no_text_is_not_kept(registry: PluginRegistry, tmp_path: Path) -> None:
    publish(tmp_path, "a.py", b"\xff")
    with pytest.raises(PluginError, match="error reading plugin from repository"):
        registry.resolve("gh:a.py")
    assert not (tmp_path / "cache").exists()


def test_a_repository_in_a_folder_is_not_left(registry: PluginRegistry) -> None:
    with pytest.raises(PluginError, match="Path traversal detected"):
        registry.resolve("gh:../outside.py")


def test_files_of_the_repository_cannot_be_written(registry: PluginRegistry) -> None:
    for change in (registry.write_file, registry.replace_file):
        with pytest.raises(InvalidRequest, match=r"gh:a\.py comes from a repository"):
            change("gh:a.py", "x")
    with pytest.raises(InvalidRequest):
        registry.replace_folder("gh:a", [("__init__.py", "")])


# ---- describing


@pytest.mark.parametrize("name", ["one.py", "pack"])
def test_the_hash_follows_the_content(registry: PluginRegistry, folder: Path, name: str) -> None:
    source = registry.resolve(name)
    first = registry.content_hash(source)
    assert registry.content_hash(source) == first
    file = folder / ("one.py" if name == "one.py" else "pack/models/processor.py")
    before = file.read_text()
    file.write_text("# changed\n")
    changed = registry.content_hash(source)
    file.write_text(before)
    os.utime(file, (1, 1))
    assert changed != first
    assert registry.content_hash(source) == first


def test_the_hash_of_a_folder_knows_names_and_only_python_files(registry: PluginRegistry, folder: Path) -> None:
    source = registry.resolve("pack")
    first = registry.content_hash(source)
    (folder / "pack" / "README.md").write_text("changed")
    assert registry.content_hash(source) == first
    (folder / "pack" / "work.py").rename(folder / "pack" / "other.py")
    assert registry.content_hash(source) != first


def test_the_hash_of_what_is_not_there_is_an_error(registry: PluginRegistry, folder: Path) -> None:
    source = registry.resolve("one.py")
    (folder / "one.py").unlink()
    with pytest.raises(PluginNotFound):
        registry.content_hash(source)


@pytest.mark.parametrize("name", ["one.py", "pack"])
def test_a_plugin_that_defines_its_function_has_no_warnings(registry: PluginRegistry, name: str) -> None:
    assert registry.warnings(registry.resolve(name), "wal") == []


@pytest.mark.parametrize("name", ["one.py", "pack"])
def test_a_missing_function_is_a_warning(registry: PluginRegistry, name: str) -> None:
    expected = f"plugin {name} does not define process_request, which its trigger calls"
    assert registry.warnings(registry.resolve(name), "request") == [expected]


def test_source_that_does_not_compile_is_a_warning(registry: PluginRegistry, folder: Path) -> None:
    (folder / "one.py").write_text("  x = 1\n")
    expected = "plugin one.py: IndentationError: unexpected indent (<string>, line 1)"
    assert registry.warnings(registry.resolve("one.py"), "wal") == [expected]
    (folder / "pack" / "models" / "processor.py").write_text("def (:\n")
    assert registry.warnings(registry.resolve("pack"), "wal") == [
        "plugin pack: SyntaxError: invalid syntax (processor.py, line 1)"
    ]


def test_files_of_plugins_are_listed(registry: PluginRegistry, folder: Path) -> None:
    """B10.3, B10.4"""
    (only,) = registry.list_files("one.py")
    assert (only.name, only.path, only.version.size_bytes) == ("one.py", folder / "one.py", len(WRITES))
    assert only.version.modified_ms == (folder / "one.py").stat().st_mtime_ns // 1_000_000
    names = [file.name for file in registry.list_files("pack")]
    assert names == ["__init__.py", "models/__init__.py", "models/processor.py", "work.py"]


@pytest.mark.parametrize("name", ["gh:a.py", "no.py", "../outside.py"])
def test_what_is_not_in_the_plugin_dir_lists_nothing(registry: PluginRegistry, name: str) -> None:
    assert registry.list_files(name) == []


# ---- changing


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.endswith((".tmp", ".old"))]


def test_a_file_is_written_with_its_folders(registry: PluginRegistry, folder: Path) -> None:
    """B2.5"""
    registry.write_file("a/b/c.py", "x = 'é'\n")
    assert (folder / "a/b/c.py").read_text("utf-8") == "x = 'é'\n"


def test_a_file_of_the_same_name_is_replaced(registry: PluginRegistry, folder: Path) -> None:
    """B2.19"""
    registry.write_file("one.py", "new")
    assert (folder / "one.py").read_text() == "new"
    assert leftovers(folder) == []


def test_of_a_folder_the_init_file_is_replaced(registry: PluginRegistry, folder: Path) -> None:
    """B2.22"""
    registry.replace_file("pack", "new")
    registry.replace_file("one.py", "new")
    assert (folder / "pack/__init__.py").read_text() == (folder / "one.py").read_text() == "new"
    assert (folder / "pack/work.py").read_text() == WRITES


@pytest.mark.parametrize("name", ["pack", "one.py/below.py", "x" * 300])
def test_what_cannot_be_written_is_an_error_and_leaves_nothing(
    registry: PluginRegistry, folder: Path, name: str
) -> None:
    with pytest.raises(PluginError, match="writing plugin file: "):
        registry.write_file(name, "x")
    assert leftovers(folder) == []


def test_text_that_cannot_be_encoded_changes_nothing(registry: PluginRegistry, folder: Path) -> None:
    with pytest.raises(PluginError):
        registry.write_file("one.py", "\ud800")
    with pytest.raises(PluginError):
        registry.replace_folder("pack", [("__init__.py", "\ud800")])
    assert (folder / "one.py").read_text() == WRITES
    assert leftovers(folder) == []


@pytest.mark.parametrize("name", ["pack", "new/pack"])
def test_a_folder_is_replaced_whole(registry: PluginRegistry, folder: Path, name: str) -> None:
    """B2.23"""
    registry.replace_folder(name, [("__init__.py", "1"), ("deep/er.py", "2")])
    files = sorted(str(p.relative_to(folder / name)) for p in (folder / name).rglob("*") if p.is_file())
    assert files == ["__init__.py", "deep/er.py"]
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    ("name", "files", "error"),
    [
        pytest.param("one.py", [("__init__.py", "")], InvalidRequest, id="a-single-file"),
        pytest.param("pack", [], InvalidRequest, id="nothing"),
        pytest.param("pack", [("work.py", "")], InvalidRequest, id="no-init"),
        pytest.param("pack", [("__init__.py", ""), ("a.py", ""), ("a.py/b.py", "")], PluginError, id="clash"),
    ],
)
def test_a_folder_that_cannot_be_replaced_stays(
    registry: PluginRegistry, folder: Path, name: str, files: list[tuple[str, str]], error: type[EngineError]
) -> None:
    with pytest.raises(error):
        registry.replace_folder(name, files)
    assert (folder / "one.py").read_text() == (folder / "pack/work.py").read_text() == WRITES
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    ("relative", "leaves"),
    [("a.py", False), ("a/b.py", False), ("..a.py", False), ("a/..", True), ("a\\..\\b", True), ("//s/x", True)],
)
def test_which_relative_paths_leave(relative: str, leaves: bool) -> None:
    assert leaves_folder(relative) is leaves


def test_a_file_that_is_gone_is_known_as_it_was_read_last(registry: PluginRegistry, folder: Path) -> None:
    """B2.15"""
    registry.remember("one.py")
    (folder / "one.py").write_text("x = 22\n")
    there, version = registry.to_run("one.py")
    (folder / "one.py").unlink()
    gone, same = registry.to_run("one.py")
    assert (there.text, gone.text, gone.path, same) == (None, "x = 22\n", there.path, version)


def test_a_file_is_loaded_when_a_run_has_it_not_when_its_trigger_starts(registry: PluginRegistry, folder: Path) -> None:
    registry.remember("one.py")
    assert [file.loaded_ns for file in registry.list_files("one.py")] == [None]
    registry.to_run("one.py")
    assert [file.loaded_ns is None for file in registry.list_files("one.py")] == [False]
