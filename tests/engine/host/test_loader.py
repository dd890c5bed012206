import builtins
import importlib
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.host.errors import PLUGIN_CODE, RunFailed
from engine.host.loader import PluginLoader
from engine.host.protocol import PluginSource
from engine.lineprotocol.builder import LineBuilder
from tests.support.clock import ManualClock
from tests.support.plugins import plugin_file, plugin_folder

ENTRY = "def process_writes(*args): return value"


@pytest.fixture
def loader() -> Iterator[PluginLoader]:
    built = PluginLoader(SystemClock())
    yield built
    built.close()


def call(loader: PluginLoader, source: PluginSource) -> object:
    return loader.load(source, "wal", lambda level, text: None).function()


def failure(loader: PluginLoader, source: PluginSource) -> RunFailed:
    with pytest.raises(RunFailed) as raised:
        call(loader, source)
    return raised.value


def test_single_file_runs_anew_each_time(loader: PluginLoader, tmp_path: Path) -> None:
    """B2.18."""
    source = plugin_file(tmp_path, "x = []\nx.append(1)\ndef process_writes(*args): return len(x)")
    assert [call(loader, source) for _ in range(3)] == [1, 1, 1]


def test_single_file_sees_builtins_only(loader: PluginLoader, tmp_path: Path) -> None:
    """Processing-engine §2.3, B2.17, B7.10."""
    code = """
    names = set(globals())
    LineBuilder = LineBuilder
    class Mine: pass
    def fa(): pass
    def process_writes(*args):
        try: return names, __name__, Mine.__module__, LineBuilder, __file__
        except NameError as error: return names, __name__, Mine.__module__, LineBuilder, str(error)
    """
    names, name, module, line_builder, error = call(loader, plugin_file(tmp_path, code))  # type: ignore[misc]
    assert names == {"__builtins__"}
    assert (name, module, error) == ("builtins", "builtins", "name '__file__' is not defined")
    assert line_builder is LineBuilder
    assert call(loader, plugin_file(tmp_path, "def process_writes(*args): return 'fa' in globals()", "b.py")) is False
    assert not hasattr(builtins, "fa")
    assert not hasattr(sys.modules["__main__"], "fa")


@pytest.mark.filterwarnings("ignore:can't resolve package")
@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("import influxdb3_pe", ModuleNotFoundError),
        ("from influxdb3_pe import LineBuilder", ModuleNotFoundError),
        ("import neighbour", ModuleNotFoundError),
        ("from . import neighbour", KeyError),
    ],
)
def test_single_file_cannot_import(
    loader: PluginLoader, tmp_path: Path, statement: str, error: type[Exception]
) -> None:
    """B7.10, processing-engine §2.3."""
    plugin_file(tmp_path, "", "neighbour.py")
    with pytest.raises(error):
        call(loader, plugin_file(tmp_path, statement))


def test_file_is_compiled_once_for_each_version(
    loader: PluginLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    compile_it = compile
    monkeypatch.setattr(
        builtins,
        "compile",
        lambda text, name, *rest, **more: (compiled.append(name), compile_it(text, name, *rest, **more))[1],
    )
    for value in (1, 1, 2, 2):
        source = plugin_file(tmp_path, f"value = {value}\n{ENTRY}")
        assert call(loader, source) == value
    assert compiled.count(PLUGIN_CODE) == 2


def test_edit_that_leaves_size_and_inode_is_seen(tmp_path: Path) -> None:
    """B2.14; also when the file system gives both edits one time stamp."""
    clock = ManualClock()
    loader = PluginLoader(clock)
    for value in (1, 2, 3):
        source = plugin_file(tmp_path, f"value = {value}\n{ENTRY}")
        os.utime(source.path, ns=(clock.now_ns(), clock.now_ns()))
        assert call(loader, source) == value


def test_file_put_back_with_an_old_time_is_seen(loader: PluginLoader, tmp_path: Path) -> None:
    source = plugin_file(tmp_path, f"value = 1\n{ENTRY}")
    os.utime(source.path, ns=(10**18, 10**18))
    assert call(loader, source) == 1
    plugin_file(tmp_path, f"value = 22\n{ENTRY}")
    os.utime(source.path, ns=(10**17, 10**17))
    assert call(loader, source) == 22


def test_deleted_file_works_on(loader: PluginLoader, tmp_path: Path) -> None:
    """B2.15."""
    source = plugin_file(tmp_path, f"value = 1\n{ENTRY}")
    assert call(loader, source) == 1
    Path(source.path).unlink()
    assert call(loader, source) == 1


def test_unreadable_edit_is_logged_and_the_last_version_works_on(loader: PluginLoader, tmp_path: Path) -> None:
    source = plugin_file(tmp_path, f"value = 1\n{ENTRY}")
    assert call(loader, source) == 1
    Path(source.path).write_bytes(b"\xff\xfe")
    logs: list[tuple[str, str]] = []
    assert loader.load(source, "wal", lambda level, text: logs.append((level, text))).function() == 1
    assert logs[0][0] == "ERROR"
    assert logs[0][1].startswith(f"error reading plugin file {source.path}, its last version goes on: 'utf-8' codec")


def test_edit_that_does_not_compile_fails_until_it_is_mended(loader: PluginLoader, tmp_path: Path) -> None:
    source = plugin_file(tmp_path, f"value = 1\n{ENTRY}")
    assert call(loader, source) == 1
    plugin_file(tmp_path, "value = (")
    for _ in range(2):
        with pytest.raises(SyntaxError):
            call(loader, source)
    plugin_file(tmp_path, f"value = 2\n{ENTRY}")
    assert call(loader, source) == 2


def test_byte_order_mark_is_no_part_of_the_code(loader: PluginLoader, tmp_path: Path) -> None:
    path = tmp_path / "p.py"
    path.write_text("\ufeffvalue = 1\n" + ENTRY, encoding="utf-8")
    assert call(loader, PluginSource("p.py", str(path))) == 1


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda p: None, "reading plugin file: Plugin not found: {path}", id="missing"),
        pytest.param(
            lambda p: p.write_bytes(b"\xff"),
            "reading plugin file: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            id="not-utf-8",
        ),
        pytest.param(lambda p: p.write_bytes(b"a\0"), "plugin code contains null bytes", id="null-byte"),
        pytest.param(
            lambda p: p.mkdir(),
            "reading plugin file: Multi-file plugin directory must contain __init__.py: {path}",
            id="folder-without-init",
        ),
    ],
)
def test_plugin_that_cannot_be_read_is_refused(
    loader: PluginLoader, tmp_path: Path, make: Callable[[Path], object], text: str
) -> None:
    path = tmp_path / "p.py"
    make(path)
    error = failure(loader, PluginSource("p.py", str(path)))
    assert (error.kind, str(error)) == ("load", text.format(path=path))


def test_missing_functions_have_the_exact_texts(loader: PluginLoader, tmp_path: Path) -> None:
    """B9.14, B2.13."""
    should = {
        "wal": "process_writes(influxdb3_local, table_batches, args=None)",
        "schedule": "process_scheduled_call(influxdb3_local, call_time, args=None)",
        "request": "process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None)"
        " -> Tuple[str, Optional[Dict[str, str]]]",
    }
    for source in (plugin_file(tmp_path, "x = 1"), plugin_folder(tmp_path, {"__init__.py": "x = 1"})):
        for kind, signature in should.items():
            with pytest.raises(RunFailed) as raised:
                loader.load(source, kind, lambda level, text: None)  # type: ignore[arg-type]
            name = signature.partition("(")[0]
            assert raised.value.kind == "entry_point"
            assert str(raised.value) == (
                f"the {name} function is not present in the plugin. Should be defined as: {signature}"
            )


def test_file_may_become_a_folder_and_a_folder_a_file(loader: PluginLoader, tmp_path: Path) -> None:
    source = plugin_file(tmp_path, f"value = 1\n{ENTRY}", "p")
    assert call(loader, source) == 1
    Path(source.path).unlink()
    plugin_folder(tmp_path, {"__init__.py": f"value = 2\n{ENTRY}"}, "p")
    assert call(loader, source) == 2
    Path(source.path, "__init__.py").unlink()
    Path(source.path).rmdir()
    plugin_file(tmp_path, f"value = 3\n{ENTRY}", "p")
    assert call(loader, source) == 3


def test_package_installed_after_an_import_error_is_found(
    loader: PluginLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B10.15."""
    packages = tmp_path / "packages"
    monkeypatch.syspath_prepend(str(packages))
    importlib.invalidate_caches()
    source = plugin_file(tmp_path, f"from late_package_for_test import value\n{ENTRY}")
    with pytest.raises(ModuleNotFoundError):
        call(loader, source)
    packages.mkdir()
    (packages / "late_package_for_test.py").write_text("value = 5")
    loader.note_import_error()
    assert call(loader, source) == 5
    sys.modules.pop("late_package_for_test")


def test_folder_of_packages_may_come_after_an_import_that_the_plugin_caught(
    loader: PluginLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B10.15."""
    packages = tmp_path / "packages"
    monkeypatch.syspath_prepend(str(packages))
    importlib.invalidate_caches()
    code = "try:\n    from caught_package_for_test import value\nexcept ImportError:\n    value = None\n"
    source = plugin_file(tmp_path, code + ENTRY)
    assert call(loader, source) is None
    packages.mkdir()
    (packages / "caught_package_for_test.py").write_text("value = 5")
    assert call(loader, source) == 5
    sys.modules.pop("caught_package_for_test")


def test_threads_may_load_the_same_folder(loader: PluginLoader, tmp_path: Path) -> None:
    """B2.8."""
    for parent in ("a", "b"):
        (tmp_path / parent).mkdir()
        plugin_folder(tmp_path / parent, {"__init__.py": f"value = {parent!r}\n{ENTRY}"}, "same")
    found: list[object] = []

    def load(parent: str) -> None:
        found.append(call(loader, PluginSource("same", str(tmp_path / parent / "same"))))

    threads = [threading.Thread(target=load, args=(parent,)) for parent in "abababab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, found)) == ["a"] * 4 + ["b"] * 4


def test_function_that_cannot_be_fetched_is_told_apart_from_a_missing_one(loader: PluginLoader, tmp_path: Path) -> None:
    source = plugin_folder(tmp_path, {"__init__.py": "def __getattr__(name): raise ValueError(name)"})
    error = failure(loader, source)
    assert str(error) == (
        "Failed to load function 'process_writes' from plugin module 'pack': ValueError: process_writes"
    )


def test_loaded_folder_is_gone_after_close(tmp_path: Path) -> None:
    loader = PluginLoader(SystemClock())
    module = types.ModuleType("keep")
    sys.modules["keep"] = module
    call(loader, plugin_folder(tmp_path, {"__init__.py": f"value = 1\n{ENTRY}"}))
    before = [name for name in sys.modules if name.startswith("_plugin_pack_")]
    loader.close()
    assert len(before) == 1
    assert not [name for name in sys.modules if name.startswith("_plugin_pack_")]
    assert sys.modules.pop("keep") is module
