"""The virtual environment of the plugins."""

import importlib.util
import json
from pathlib import Path

import pytest

from engine.errors import EngineOff, Forbidden, InvalidRequest, PluginError
from engine.plugins.environment import PluginEnvironment
from tests.support.wheels import make_wheel


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with one package, made as the first installation makes it."""
    folder = tmp_path_factory.mktemp("plugins")
    location = folder / ".venv"
    wheel = make_wheel(folder, "influxdb3_sample", "1.0")
    lines = list(PluginEnvironment(location, "discover").install([str(wheel)]))
    assert lines[0] == f"making the virtual environment {location}"
    assert "Successfully installed influxdb3-sample-1.0" in lines[-1]
    return location


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.process
def test_installed_packages_are_in_the_environment_only(made: Path) -> None:
    """B10.15"""
    packages = PluginEnvironment(made, "discover").site_packages
    assert (packages / "influxdb3_sample.py").exists()
    assert importlib.util.find_spec("influxdb3_sample") is None


@pytest.mark.process
def test_what_was_asked_for_and_what_is_there_is_recorded(made: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "influxdb3_second", "2.0")
    lines = list(PluginEnvironment(made, "pip").install([str(wheel)]))
    assert not lines[0].startswith("making")
    record = json.loads((made / "installed.json").read_text())
    assert str(wheel) in record["requested"]
    assert record["installed"]["influxdb3_sample"] == "1.0"
    assert record["installed"]["influxdb3_second"] == "2.0"


@pytest.mark.process
def test_a_requirements_file_is_installed(made: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "influxdb3_third", "3.0")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"# what plugins need\n{wheel}\n")
    lines = list(PluginEnvironment(made, "pip").install_requirements(str(requirements)))
    assert "Successfully installed influxdb3-third-3.0" in lines[-1]


@pytest.mark.process
@pytest.mark.usefixtures("no_index")
def test_a_package_that_does_not_exist_is_an_error_with_the_end_of_pips_output(made: Path) -> None:
    """B10.17"""
    with pytest.raises(PluginError) as caught:
        list(PluginEnvironment(made, "pip").install(["no-such-package-anywhere==1"]))
    first, *tail = str(caught.value).splitlines()
    assert first == "pip install failed with exit status 1:"
    assert any("No matching distribution found for no-such-package-anywhere==1" in line for line in tail)


@pytest.mark.process
@pytest.mark.usefixtures("no_index")
def test_after_a_failed_installation_the_next_one_works(made: Path, tmp_path: Path) -> None:
    environment = PluginEnvironment(made, "pip")
    wheel = make_wheel(tmp_path, "influxdb3_fourth", "4.0", requires="no-such-package-anywhere")
    with pytest.raises(PluginError):
        list(environment.install([str(wheel)]))
    assert list(environment.install([str(make_wheel(tmp_path, "influxdb3_fourth", "4.1"))]))


@pytest.mark.process
def test_whoever_stops_reading_ends_the_installation_and_lets_the_next_one_begin(made: Path, tmp_path: Path) -> None:
    environment = PluginEnvironment(made, "pip")
    wheel = make_wheel(tmp_path, "influxdb3_fifth", "5.0")
    abandoned = environment.install([str(wheel)])
    next(abandoned)
    waiting = environment.install([str(wheel)])
    assert next(waiting) == "waiting for another installation to end"
    abandoned.close()  # type: ignore[attr-defined]
    assert list(waiting)


@pytest.mark.process
def test_a_place_where_nothing_can_be_made_is_an_error(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(PluginError, match=r"python -m venv failed with exit status 1"):
        list(PluginEnvironment(occupied / ".venv", "pip").install(["x"]))


def test_nothing_is_made_before_the_first_installation(tmp_path: Path) -> None:
    PluginEnvironment(tmp_path / ".venv", "discover").install(["x"])
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("package", ["--index-url=http://x", "-r", " -e .", "", "  "])
def test_options_of_pip_are_refused(tmp_path: Path, package: str) -> None:
    environment = PluginEnvironment(tmp_path / ".venv", "pip")
    with pytest.raises(InvalidRequest, match="not a package"):
        environment.install(["requests", package])
    with pytest.raises(InvalidRequest, match="not a requirements file"):
        environment.install_requirements(package)


def test_no_packages_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no packages to install"):
        PluginEnvironment(tmp_path / ".venv", "pip").install([])


def test_a_disabled_package_manager_forbids_installing(tmp_path: Path) -> None:
    """B10.16"""
    environment = PluginEnvironment(tmp_path / ".venv", "disabled")
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
