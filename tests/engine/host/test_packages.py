import builtins
import os
import pickle
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.host.errors import RunCancelled, RunFailed
from engine.host.packages import MOST_LOADS, Package, PackageFinder
from tests.support.clock import ManualClock
from tests.support.plugins import plugin_folder


@pytest.fixture
def finder() -> Iterator[PackageFinder]:
    built = PackageFinder()
    yield built
    built.close()


def package(finder: PackageFinder, folder: Path, files: dict[str, str], name: str = "pack") -> Package:
    return Package(plugin_folder(folder, files, name).path, finder, SystemClock())


def failure(found: Package) -> RunFailed:
    with pytest.raises(RunFailed) as raised:
        found.current()
    return raised.value


def test_folder_imports_itself_relatively_and_by_its_name(finder: PackageFinder, tmp_path: Path) -> None:
    """B2.7."""
    files = {
        "__init__.py": """
            from .utils import a
            from . import models
            from .models.processor import b
            import pack.utils
            import pack.models.processor as processor
            from pack.models import processor as again
            from pack import utils
            def late():
                from pack.models.late import c
                from .models.late import c as d
                return c, d
            """,
        "utils.py": "a = 1",
        "models/__init__.py": "from .. import utils\nfrom pack import utils as same",
        "models/processor.py": "from ..utils import a\nb = a + 1",
        "models/late.py": "c = 3",
    }
    module = package(finder, tmp_path, files).current()
    assert (module.a, module.b, module.late()) == (1, 2, (3, 3))
    assert module.pack is module
    assert module.pack.utils is module.utils is module.models.utils is module.models.same
    assert module.processor is module.again
    assert "pack" not in sys.modules


def test_equal_names_and_names_of_installed_packages_do_not_meet(finder: PackageFinder, tmp_path: Path) -> None:
    found = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        found.append(package(finder, tmp_path / str(number), {"__init__.py": f"value = {number}"}, "csv"))
    import csv

    assert [p.current().value for p in found] == [1, 2]
    assert hasattr(csv, "DictReader")
    assert sys.modules["csv"] is csv


def test_private_name_is_the_same_after_a_restart(tmp_path: Path) -> None:
    names = {Package(str(tmp_path / "my-pack.x"), PackageFinder(), SystemClock()).private_name for _ in range(2)}
    assert len(names) == 1
    assert names.pop().startswith("_plugin_my_pack_x_")


def test_module_level_state_lives_until_a_file_changes(finder: PackageFinder, tmp_path: Path) -> None:
    files = {"__init__.py": "from .utils import step\ncount = [step]", "utils.py": "step = 1"}
    found = package(finder, tmp_path, files)
    found.current().count.append(2)
    assert found.current().count == [1, 2]
    os.utime(tmp_path / "pack" / "utils.py", ns=(10**18, 10**18))
    assert found.current().count == [1, 2]
    (tmp_path / "pack" / "notes.txt").write_text("not code")
    assert found.current().count == [1, 2]
    (tmp_path / "pack" / "utils.py").write_text("step = 5")
    assert found.current().count == [5]
    assert found.current() is found.current()


@pytest.mark.parametrize("change", ["edit", "add", "remove", "add-folder"])
def test_every_change_of_code_reloads(finder: PackageFinder, tmp_path: Path, change: str) -> None:
    """B2.16."""
    files = {"__init__.py": "", "sub/__init__.py": "", "sub/a.py": "value = 1"}
    found = package(finder, tmp_path, files)
    before = found.current()
    for path in sorted((tmp_path / "pack").rglob("*")):
        os.utime(path, ns=(10**18, 10**18))
    os.utime(tmp_path / "pack", ns=(10**18, 10**18))
    assert found.current() is before
    sub = tmp_path / "pack" / "sub"
    match change:
        case "edit":
            (sub / "a.py").write_text("value = 2")
        case "add":
            (sub / "b.py").write_text("")
        case "remove":
            (sub / "a.py").unlink()
        case "add-folder":
            (sub / "deep").mkdir()
            (sub / "deep" / "c.py").write_text("")
    assert found.current() is not before


def test_folder_without_init_file_is_reloaded_too(finder: PackageFinder, tmp_path: Path) -> None:
    """B2.16; no bytecode is kept by which a quick edit of the same size would be missed."""
    files = {"__init__.py": "from .bare.deep import value\nfrom pack.bare import deep", "bare/deep.py": "value = 1"}
    found = package(finder, tmp_path, files)
    assert found.current().value == 1
    file = tmp_path / "pack" / "bare" / "deep.py"
    times = file.stat()
    file.write_text("value = 2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert found.current().value == found.current().deep.value == 2
    assert not list(tmp_path.rglob("__pycache__"))


def test_edit_that_leaves_size_time_and_inode_is_seen(tmp_path: Path) -> None:
    """Content counts: a file may be overwritten in place and be given its old time."""
    found = Package(
        plugin_folder(tmp_path, {"__init__.py": "value = 1"}, "pack").path,
        finder := PackageFinder(),
        ManualClock(time.time_ns() + 10**12),
    )
    assert found.current().value == 1
    file = tmp_path / "pack" / "__init__.py"
    times = file.stat()
    while file.stat().st_ctime_ns == times.st_ctime_ns:  # the system's clock of files goes in steps
        file.write_text("value = 2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert found.current().value == 2
    finder.close()


@pytest.mark.parametrize("fails", [False, True])
def test_folder_replaced_while_it_is_imported_is_imported_again(
    finder: PackageFinder, tmp_path: Path, fails: bool
) -> None:
    """B2.23: no run has some of the old files and some of the new ones."""
    replace = "from pathlib import Path\nfolder = Path(__file__).parent\n"
    replace += "(folder / '__init__.py').write_text('from .utils import value\\nversion = 2')\n"
    replace += "(folder / 'utils.py').write_text('value = 2')\n"
    files = {
        "__init__.py": f"{replace}from .utils import {'gone' if fails else 'value'}\nversion = 1",
        "utils.py": "value = 1",
    }
    module = package(finder, tmp_path, files).current()
    assert (module.version, module.value) == (2, 2)


def test_folder_that_changes_with_each_import_is_imported_all_the_same(finder: PackageFinder, tmp_path: Path) -> None:
    code = "from pathlib import Path\nfile = Path(__file__).with_name('log.py')\n"
    code += "file.write_text(file.read_text() + '#')"
    found = package(finder, tmp_path, {"__init__.py": code, "log.py": ""})
    found.current()
    assert (tmp_path / "pack" / "log.py").read_text() == "#" * MOST_LOADS


def test_run_under_way_stays_with_its_modules(finder: PackageFinder, tmp_path: Path) -> None:
    """Processing-engine §2.2: never in the middle of a run."""
    init = """
    def late():
        from . import other
        from .other import value
        from pack.other import value as same
        import pack.other
        return value, same, other.value, pack.other.value
    from . import other
    """
    found = package(finder, tmp_path, {"__init__.py": init, "other.py": "value = 1"})
    old = found.current()
    (tmp_path / "pack" / "other.py").write_text("value = 22")
    new = found.current()
    assert old.late() == (1, 1, 1, 1)
    assert new.late() == (22, 22, 22, 22)


def test_module_that_the_old_version_never_had_comes_from_the_new_one(finder: PackageFinder, tmp_path: Path) -> None:
    found = package(finder, tmp_path, {"__init__.py": "def late():\n    from .added import value\n    return value"})
    old = found.current()
    (tmp_path / "pack" / "added.py").write_text("value = 3")
    found.current()
    assert old.late() == 3


def test_folder_that_is_gone_works_on_from_memory(finder: PackageFinder, tmp_path: Path) -> None:
    found = package(finder, tmp_path, {"__init__.py": "value = 1"})
    module = found.current()
    shutil.move(tmp_path / "pack", tmp_path / "pack.old")
    assert found.current() is module
    plugin_folder(tmp_path, {"__init__.py": "value = 2"})
    assert found.current().value == 2


def test_missing_dependency_is_named_and_code_runs_once(finder: PackageFinder, tmp_path: Path) -> None:
    """B2.9, B2.10."""
    builtins.runs_of_test = []  # type: ignore[attr-defined]
    found = package(finder, tmp_path, {"__init__.py": "runs_of_test.append(1)\nimport no_such_dependency"})
    error = failure(found)
    assert builtins.runs_of_test == [1]  # type: ignore[attr-defined]
    del builtins.runs_of_test  # type: ignore[attr-defined]
    assert str(error) == (
        "Failed to import plugin module 'pack': ModuleNotFoundError: No module named 'no_such_dependency'\n"
        "Hint: Check for syntax errors or missing dependencies in Python files."
    )
    assert "import no_such_dependency" in error.details
    assert not [name for name in sys.modules if name.startswith(found.private_name)]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        pytest.param({"__init__.py": "raise AttributeError('mine')"}, "AttributeError: mine", id="B2.11"),
        pytest.param({"__init__.py": "def f(:"}, "SyntaxError: invalid syntax (__init__.py, line 1)", id="B2.12"),
        pytest.param({"__init__.py": "raise SystemExit(1)"}, "SystemExit: 1", id="exit"),
        pytest.param(
            {"__init__.py": "from .nothing import x"}, "ModuleNotFoundError: No module named 'pack.nothing'", id="own"
        ),
        pytest.param(
            {"__init__.py": "from .a import x", "a.py": ""},
            "ImportError: cannot import name 'x' from 'pack.a'",
            id="own-name",
        ),
    ],
)
def test_failing_import_tells_why(finder: PackageFinder, tmp_path: Path, files: dict[str, str], text: str) -> None:
    error = failure(package(finder, tmp_path, files))
    assert error.kind == "load"
    assert str(error).startswith(f"Failed to import plugin module 'pack': {text}")
    assert "is not present in the plugin" not in str(error)
    assert "_plugin_" not in str(error) + error.details


def test_failed_import_is_tried_again(finder: PackageFinder, tmp_path: Path) -> None:
    """B2.9."""
    found = Package(str(tmp_path / "pack"), finder, SystemClock())
    assert str(failure(found)) == f"reading plugin file: Plugin not found: {tmp_path / 'pack'}"
    plugin_folder(tmp_path, {"__init__.py": "from .b import value"})
    failure(found)
    plugin_folder(tmp_path, {"b.py": "value = 1"})
    assert found.current().value == 1


def test_interruption_of_an_import_is_passed_on(finder: PackageFinder, tmp_path: Path) -> None:
    code = "from engine.host.errors import RunCancelled\nraise RunCancelled('x')"
    found = package(finder, tmp_path, {"__init__.py": code})
    with pytest.raises(RunCancelled):
        found.current()
    plugin_folder(tmp_path, {"__init__.py": "value = 1"})
    assert found.current().value == 1


def test_top_level_code_may_import_what_stands_beside_the_folder(finder: PackageFinder, tmp_path: Path) -> None:
    (tmp_path / "beside_pack_for_test.py").write_text("value = 4")
    (tmp_path / "json.py").write_text("value = 5")
    code = "import json\nfrom beside_pack_for_test import value\nreal = hasattr(json, 'dumps')"
    path = list(sys.path)
    module = package(finder, tmp_path, {"__init__.py": code}).current()
    assert (module.value, module.real) == (4, True)
    assert sys.path == path
    del sys.modules["beside_pack_for_test"]


def test_objects_of_a_folders_classes_survive_pickling(finder: PackageFinder, tmp_path: Path) -> None:
    files = {"__init__.py": "from pack.models import Thing", "models.py": "class Thing: value = 1"}
    found = package(finder, tmp_path, files)
    thing = pickle.dumps(found.current().Thing())
    found.unload()
    again = Package(str(tmp_path / "pack"), finder, SystemClock())
    module: ModuleType = again.current()
    loaded: Any = pickle.loads(thing)
    assert type(loaded) is module.Thing


def test_no_bytecode_is_left_in_the_folder(finder: PackageFinder, tmp_path: Path) -> None:
    package(finder, tmp_path, {"__init__.py": "from . import a", "a.py": ""}).current()
    assert not list(tmp_path.rglob("__pycache__"))
