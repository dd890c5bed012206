"""The virtual environment of the plugins."""

import importlib.util
import json
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import EngineOff, Forbidden, InvalidRequest, PluginError
from engine.plugins.environment import EnvironmentPlaces, PluginEnvironment, contents, must_renew, take_out_halves
from engine.plugins.installers import find_uv
from tests.support.wheels import make_wheel


def environment_at(
    location: Path, package_manager: str = "pip", on_change: Callable[[], None] = lambda: None
) -> PluginEnvironment:
    return PluginEnvironment(EnvironmentPlaces(location, location.parent), package_manager, on_change)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with one package; pip is not in it, that of the server fills it: it takes a tenth of the time."""
    folder = tmp_path_factory.mktemp("plugins")
    location = folder / ".venv"
    venv.create(location)
    lines = list(environment_at(location, "discover").install([str(make_wheel(folder, "influxdb3_sample", "1.0"))]))
    assert not lines[0].startswith("making")
    assert "Successfully installed influxdb3-sample-1.0" in lines[-1]
    return location


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.process
def test_installed_packages_are_in_the_environment_only(made: Path) -> None:
    """B10.15"""
    packages = environment_at(made, "discover").site_packages
    assert (packages / "influxdb3_sample.py").exists()
    assert importlib.util.find_spec("influxdb3_sample") is None


@pytest.mark.process
def test_what_was_asked_for_and_what_is_there_is_recorded(made: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "influxdb3_second", "2.0")
    list(environment_at(made, "pip").install([str(wheel)]))
    record = json.loads((made / "installed.json").read_text())
    assert str(wheel) in record["requested"]
    assert record["installed"]["influxdb3_sample"] == "1.0"
    assert record["installed"]["influxdb3_second"] == "2.0"


@pytest.mark.process
def test_a_requirements_file_is_installed(made: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "influxdb3_third", "3.0")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"# what plugins need\n{wheel}\n")
    lines = list(environment_at(made, "pip").install_requirements(str(requirements)))
    assert "Successfully installed influxdb3-third-3.0" in lines[-1]


@pytest.mark.process
@pytest.mark.usefixtures("no_index")
def test_a_package_that_does_not_exist_is_an_error_with_the_end_of_pips_output(made: Path) -> None:
    """B10.17"""
    with pytest.raises(PluginError) as caught:
        list(environment_at(made, "pip").install(["no-such-package-anywhere==1"]))
    first, *tail = str(caught.value).splitlines()
    assert first == "pip install failed with exit status 1:"
    assert any("No matching distribution found for no-such-package-anywhere==1" in line for line in tail)


@pytest.mark.process
@pytest.mark.usefixtures("no_index")
def test_after_a_failed_installation_the_next_one_works(made: Path, tmp_path: Path) -> None:
    environment = environment_at(made, "pip")
    wheel = make_wheel(tmp_path, "influxdb3_fourth", "4.0", requires="no-such-package-anywhere")
    with pytest.raises(PluginError):
        list(environment.install([str(wheel)]))
    assert list(environment.install([str(make_wheel(tmp_path, "influxdb3_fourth", "4.1"))]))


@pytest.mark.process
def test_whoever_stops_reading_ends_the_installation_and_lets_the_next_one_begin(made: Path, tmp_path: Path) -> None:
    environment = environment_at(made, "pip")
    wheel = make_wheel(tmp_path, "influxdb3_fifth", "5.0")
    abandoned = environment.install([str(wheel)])
    next(abandoned)
    waiting = environment.install([str(wheel)])
    assert next(waiting) == "waiting for another installation to end"
    abandoned.close()  # type: ignore[attr-defined]
    assert list(waiting)


@pytest.mark.process
def test_the_list_in_the_plugin_folder_makes_the_same_environment_again(made: Path, tmp_path: Path) -> None:
    list(environment_at(made).install([str(make_wheel(tmp_path, "influxdb3_sixth", "6.0"))]))
    elsewhere = environment_at(tmp_path / "plugins" / ".venv")
    venv.create(elsewhere.site_packages.parents[2])
    list(elsewhere.install_requirements(str(made.parent / "installed-packages.txt")))
    found = contents(environment_at(made).site_packages).keys()
    assert contents(elsewhere.site_packages).keys() == {name for name in found if name.startswith("influxdb3_")}


@pytest.mark.process
def test_a_requirements_file_may_be_named_as_it_is_in_the_plugin_folder(made: Path, tmp_path: Path) -> None:
    (made.parent / "wanted.txt").write_text(f"{make_wheel(tmp_path, 'influxdb3_seventh', '7.0')}\n")
    assert (
        "Successfully installed influxdb3-seventh-7.0"
        in list(environment_at(made).install_requirements("wanted.txt"))[-1]
    )


@pytest.mark.process
def test_only_what_replaces_something_makes_plugins_begin_anew(made: Path, tmp_path: Path) -> None:
    changes: list[int] = []
    environment = environment_at(made, on_change=lambda: changes.append(1))
    list(environment.install([str(make_wheel(tmp_path, "influxdb3_eighth", "8.0"))]))
    assert not changes
    list(environment.install([str(make_wheel(tmp_path, "influxdb3_eighth", "8.1"))]))
    assert len(changes) == 1


@pytest.mark.process
def test_an_installation_that_was_killed_is_done_again(made: Path, tmp_path: Path) -> None:
    environment = environment_at(made)
    wheel = make_wheel(tmp_path, "influxdb3_ninth", "9.0")
    list(environment.install([str(wheel)]))
    packages = environment.site_packages
    (packages / "influxdb3_ninth-9.0.dist-info" / "RECORD").unlink()
    (packages / "influxdb3_ninth.py").unlink()
    (made / "unfinished.json").write_text(json.dumps({"arguments": [str(wheel)], "wanted": [str(wheel)]}))
    environment.resume()
    assert (packages / "influxdb3_ninth.py").exists()
    assert not (made / "unfinished.json").exists()


@pytest.mark.process
def test_who_closes_it_ends_an_installation(made: Path, tmp_path: Path) -> None:
    environment = environment_at(made)
    lines = environment.install([str(make_wheel(tmp_path, "influxdb3_tenth", "10.0"))])
    next(lines)
    environment.close()
    with pytest.raises(PluginError, match=r"^pip install failed: it was ended by signal 9"):
        list(lines)
    assert list(environment_at(made).install([str(tmp_path / "influxdb3_tenth-10.0-py3-none-any.whl")]))
    assert not (made / "unfinished.json").exists()


@pytest.mark.process
@pytest.mark.skipif(not find_uv(), reason="uv is not installed here")
def test_uv_makes_and_fills_an_environment_too(tmp_path: Path) -> None:
    environment = environment_at(tmp_path / ".venv", "uv")
    wheel = make_wheel(tmp_path, "influxdb3_sample", "1.0")
    list(environment.install([str(wheel)]))
    assert (environment.site_packages / "influxdb3_sample.py").exists()
    list(environment_at(tmp_path / ".venv", "pip").install([str(make_wheel(tmp_path, "influxdb3_second", "2.0"))]))
    assert (environment.site_packages / "influxdb3_second.py").exists()
    with pytest.raises(PluginError, match=r"^uv install failed with exit status \d:\n[\s\S]*nope"):
        list(environment.install([str(tmp_path / "nope-1.0-py3-none-any.whl")]))


def test_uv_that_was_chosen_and_is_missing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    text = r"^Package manager not available: the program uv is installed nowhere where the server looks: PATH, "
    with pytest.raises(PluginError, match=text):
        environment_at(tmp_path / ".venv", "uv").install(["x"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({}, {}, False, id="nothing"),
        pytest.param({"a-1.dist-info": 1}, {"a-1.dist-info": 1, "b-1.dist-info": 2}, False, id="only-new"),
        pytest.param({"a-1.dist-info": 1}, {"a-2.dist-info": 2}, True, id="another-version"),
        pytest.param({"a-1.dist-info": 1}, {"a-1.dist-info": 2}, True, id="installed-again"),
        pytest.param({"a-1.dist-info": 1}, {}, True, id="removed"),
        pytest.param({}, {"a.pth": 1}, True, id="a-new-pth-file"),
    ],
)
def test_must_renew(before: dict[str, int], after: dict[str, int], expected: bool) -> None:
    assert must_renew(before, after) is expected


def test_what_a_killed_installer_left_is_taken_out_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        "whole-1.dist-info/RECORD",
        "whole.py",
        "half-1.dist-info/METADATA",
        "~ld/x.py",
        "~ld-1.dist-info/RECORD",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    take_out_halves(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"whole-1.dist-info", "whole.py"}


@pytest.mark.process
def test_a_place_where_nothing_can_be_made_is_an_error(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(PluginError, match=r"^the virtual environment .*file/.venv cannot be made: .*Not a directory"):
        list(environment_at(occupied / ".venv", "pip").install(["x"]))


def test_nothing_is_made_before_the_first_installation(tmp_path: Path) -> None:
    environment_at(tmp_path / ".venv", "discover").install(["x"])
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("package", ["--index-url=http://x", "-r", " -e .", "", "  "])
def test_options_of_pip_are_refused(tmp_path: Path, package: str) -> None:
    environment = environment_at(tmp_path / ".venv", "pip")
    with pytest.raises(InvalidRequest, match="not a package"):
        environment.install(["requests", package])
    with pytest.raises(InvalidRequest, match="not a requirements file"):
        environment.install_requirements(package)


def test_no_packages_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no packages to install"):
        environment_at(tmp_path / ".venv", "pip").install([])


def test_a_disabled_package_manager_forbids_installing(tmp_path: Path) -> None:
    """B10.16"""
    environment = environment_at(tmp_path / ".venv", "disabled")
    text = r"^Package installation has been disabled\. Contact your administrator for more information\.$"
    with pytest.raises(Forbidden, match=text):
        environment.install(["x"])
    with pytest.raises(Forbidden, match=text):
        environment.install_requirements("requirements.txt")


def test_without_plugin_dir_there_is_no_environment() -> None:
    environment = PluginEnvironment(None, "pip")
    with pytest.raises(EngineOff, match=r"^No plugin directory configured"):
        environment.install(["x"])
    with pytest.raises(EngineOff):
        _ = environment.site_packages
