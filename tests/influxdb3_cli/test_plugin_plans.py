from pathlib import Path

import pytest

from engine.model.trigger import TriggerDefinition
from engine.model.trigger_spec import parse_trigger_spec
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.plugin_plans import Content, Hashes, Sending, hashes_of, plan_sendings, read_plugins

ONE = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # sha256sum of "one"
TWO = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"  # of "two"
FOLDER: Content = [("__init__.py", "one"), ("more/part.py", "two"), ("requirements.txt", "numpy")]


def a_trigger(name: str, plugin: str) -> TriggerDefinition:
    return TriggerDefinition(0, name, plugin, parse_trigger_spec("all_tables"))


@pytest.mark.parametrize(
    ("plugin", "content", "there", "is_sent"),
    [
        pytest.param("p.py", "one", {}, True, id="unknown"),
        pytest.param("p.py", "one", {"p.py": {"p.py": ONE}}, False, id="same file"),
        pytest.param("p.py", "one", {"p.py": {"p.py": TWO}}, True, id="other text"),
        pytest.param("p.py", "one", {"p.py": {"p.py": ""}}, True, id="a file that the server cannot read"),
        pytest.param("sub/p.py", "one", {"sub/p.py": {"sub/p.py": ONE}}, False, id="in a folder"),
        pytest.param("p", FOLDER, {"p": {"__init__.py": ONE, "more/part.py": TWO}}, False, id="same package"),
        pytest.param("p", FOLDER, {"p": {"__init__.py": ONE}}, True, id="a module more"),
        pytest.param(
            "p", FOLDER, {"p": {"__init__.py": ONE, "more/part.py": TWO, "x.py": ONE}}, True, id="a module less"
        ),
        pytest.param("p", FOLDER, {"p": {"p": ONE}}, True, id="a file there"),
    ],
)
def test_what_differs_is_sent(plugin: str, content: Content, there: Hashes, is_sent: bool) -> None:
    expected = (Sending(plugin, content, None),) if is_sent else ()
    assert plan_sendings({plugin: content}, there, {}) == expected


def test_a_plugin_that_runs_is_replaced_through_a_trigger_of_any_database() -> None:
    present = {"home": (a_trigger("a", "q.py"),), "work": (a_trigger("b", "p.py"),)}
    (sending,) = plan_sendings({"p.py": "one"}, {"p.py": {"p.py": TWO}}, present)
    assert sending.user == ("work", "b")


def test_files_have_the_names_that_they_get_in_the_plugin_folder() -> None:
    assert Sending("sub/p.py", "one", None).files == [("sub/p.py", "one")]
    assert [name for name, _ in Sending("p", FOLDER, None).files] == [
        "p/__init__.py",
        "p/more/part.py",
        "p/requirements.txt",
    ]


def test_rows_of_the_server_become_hashes() -> None:
    rows = [
        {"plugin_filename": "p", "file_name": "__init__.py", "content_hash": ONE},
        {"plugin_filename": "p", "file_name": "part.py", "content_hash": TWO},
    ]
    assert hashes_of(rows) == {"p": {"__init__.py": ONE, "part.py": TWO}}


def test_plugins_of_a_repository_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("one")
    wanted = {"home": (a_trigger("a", "p.py"), a_trigger("b", "gh:some/thing.py"))}
    assert read_plugins(tmp_path, wanted) == {"p.py": "one"}


@pytest.mark.parametrize("name", ["", ".", "..", "../p.py", "a/../../p.py", "/etc/hosts"])
def test_a_plugin_outside_the_folder_is_not_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandFailed, match="is no file below the folder of the plugins"):
        read_plugins(tmp_path, {"home": (a_trigger("a", name),)})


def test_a_plugin_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"Path does not exist: .*/p\.py"):
        read_plugins(tmp_path, {"home": (a_trigger("a", "p.py"),)})
