"""Environments of single plugins: when they are built, kept, built anew, removed."""

import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.errors import Forbidden, InvalidRequest, PluginError
from engine.host.protocol import PluginSource
from engine.plugins.environments import FOR_ALL, Building, EnvironmentsConfig, Failed, OwnEnvironments, Ready
from engine.plugins.processes import HostConfig
from tests.support.clock import ManualClock
from tests.support.engines import eventually
from tests.support.wheels import make_wheel

NEEDS = '# /// script\n# dependencies = ["{}"]\n# ///\n'


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of wheels, from which alone packages are installed."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "own_sample", version)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield folder


class Plugins:
    """A plugin folder with environments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.in_use: list[Path] = []
        self.clock = ManualClock(SystemClock().now_ns())
        self.config = EnvironmentsConfig(folder / ".venvs", "pip", HostConfig(), lambda: self.in_use)
        self.environments = self.opened()

    def opened(self, **changes: object) -> OwnEnvironments:
        """Return the environments as another server finds them."""
        return OwnEnvironments(replace(self.config, **changes), self.clock)  # type: ignore[arg-type]

    def source(self, requirement: str, name: str = "p.py") -> PluginSource:
        path = self.folder / name
        path.write_text(NEEDS.format(requirement))
        return PluginSource(name, str(path))

    def built(self, source: PluginSource, version: str = "v") -> Path:
        """Return the environment of a plugin when it is there."""
        state = self.environments.wait(source, version)
        assert isinstance(state, Ready), state
        assert state.virtual_env is not None
        return state.virtual_env


@pytest.fixture
def plugins(tmp_path: Path, wheels: Path) -> Iterator[Plugins]:
    made = Plugins(tmp_path)
    yield made
    made.environments.close()


def module_in(environment: Path, name: str = "own_sample") -> str:
    (path,) = environment.glob(f"lib/*/site-packages/{name}.py")
    return path.read_text()


def test_a_plugin_that_needs_nothing_runs_with_what_all_have(plugins: Plugins) -> None:
    (plugins.folder / "p.py").write_text("x = 1\n")
    source = PluginSource("p.py", str(plugins.folder / "p.py"))
    assert plugins.environments.of(source, "v") == FOR_ALL
    assert plugins.environments.check(source, "v") is None
    assert not (plugins.folder / ".venvs").exists()


@pytest.mark.process
def test_an_environment_is_built_once_told_about_and_kept(plugins: Plugins) -> None:
    heard: list[tuple[str, str]] = []
    source = plugins.source("own_sample==1.0")
    tell: Callable[[str, str], None] = lambda level, text: heard.append((level, text))  # noqa: E731 - one and the same
    assert isinstance(plugins.environments.of(source, "v", tell), Building)
    assert "(own_sample==1.0) has been building for 0 s" in str(plugins.environments.problem(source, "v"))
    environment = plugins.built(source)
    assert "'1.0'" in module_in(environment)
    assert plugins.environments.problem(source, "v") is None
    assert heard[0] == ("INFO", "the environment is being built: own_sample==1.0")
    assert any("Successfully installed own-sample-1.0" in text or "own_sample-1.0" in text for _, text in heard)
    assert eventually(lambda: heard[-1] == ("INFO", "the environment is ready after 0.0 s"))
    # Another plugin, another server, nothing to install with and no network: it is there.
    again = plugins.opened(package_manager="disabled")
    assert again.of(plugins.source("own_sample==1.0", "q.py"), "v") == Ready(environment.name, environment)
    assert again.check(source, "v") is None


@pytest.mark.process
def test_what_was_not_completed_is_built_anew(plugins: Plugins) -> None:
    source = plugins.source("own_sample==1.0")
    environment = plugins.built(source)
    (environment / "environment.json").unlink()
    (environment / "lib" / "half").touch()
    assert isinstance(plugins.environments.of(source, "v"), Building)
    assert "'1.0'" in module_in(plugins.built(source))
    assert not (environment / "lib" / "half").exists()


@pytest.mark.process
def test_one_that_another_version_of_the_server_built_is_tried_and_not_built(plugins: Plugins) -> None:
    source = plugins.source("own_sample==1.0")
    environment = plugins.built(source)
    mark = environment / "environment.json"
    mark.write_text(mark.read_text().replace("pyarrow", "older pyarrow"))
    (environment / "kept").touch()
    plugins.environments = plugins.opened(package_manager="disabled")
    assert plugins.built(source) == environment
    assert (environment / "kept").exists()


@pytest.mark.process
def test_a_build_that_fails_tells_why_and_is_tried_again_after_a_while(plugins: Plugins, wheels: Path) -> None:
    source = plugins.source("own_late==1.0")
    state = plugins.environments.wait(source, "v")
    assert isinstance(state, Failed)
    assert state.text.startswith(
        "the environment (own_late==1.0) could not be built: pip install failed with exit status 1:"
    )
    assert "No matching distribution found for own_late==1.0" in state.text
    assert plugins.environments.of(source, "v") == state
    assert plugins.environments.problem(source, "v") == state.text
    make_wheel(wheels, "own_late", "1.0")
    plugins.clock.advance(10_000_000_000)
    again = plugins.environments.of(source, "v")
    assert isinstance(again, Building)
    assert again.problem == state.text
    assert module_in(plugins.built(source), "own_late")
    assert plugins.environments.problem(source, "v") is None


@pytest.mark.process
def test_a_host_that_does_not_work_there_is_found_out_before_the_first_run(plugins: Plugins, wheels: Path) -> None:
    make_wheel(wheels, "msgspec", "0.1")
    state = plugins.environments.wait(plugins.source("msgspec==0.1"), "v")
    assert isinstance(state, Failed)
    assert "the plugin host does not work with these packages" in state.text
    assert "msgspec" in state.text.splitlines()[-1]


@pytest.mark.process
def test_environments_that_nobody_asks_for_go_after_a_week(plugins: Plugins) -> None:
    first, second = plugins.source("own_sample==1.0", "a.py"), plugins.source("own_sample==2.0", "b.py")
    plugins.in_use = [Path(second.path)]
    old, used = plugins.built(first), plugins.built(second)
    long_ago_s = SystemClock().now_ns() / 1e9 - 8 * 86_400
    for environment in (old, used):
        os.utime(environment / "environment.json", (long_ago_s, long_ago_s))
    eventually(lambda: not isinstance(plugins.opened().wait(plugins.source("own_nothing", "c.py"), "v"), Ready))
    eventually(lambda: not old.exists())
    assert used.exists()


def test_where_nothing_may_be_installed_such_a_plugin_is_refused(plugins: Plugins) -> None:
    source = plugins.source("own_sample==1.0")
    environments = plugins.opened(package_manager="disabled")
    text = (
        r"^Package installation has been disabled\. Contact your administrator for more information\. "
        r"Plugin p\.py needs an environment of its own: own_sample==1\.0$"
    )
    with pytest.raises(Forbidden, match=text):
        environments.check(source, "v")
    state = environments.wait(source, "v")
    assert isinstance(state, Failed)
    assert "Package installation has been disabled" in state.text


def test_a_header_that_is_wrong_is_told_when_the_trigger_is_made_and_by_its_runs(plugins: Plugins) -> None:
    source = plugins.source("own_sample==1.0")
    Path(source.path).write_text("# /// script\n# dependencies = [\n# ///\n")
    with pytest.raises(InvalidRequest, match=r"^plugin p\.py: the script header \(PEP 723\) of the plugin is not TOML"):
        plugins.environments.check(source, "v")
    state = plugins.environments.of(source, "v")
    assert isinstance(state, Failed)
    assert state.text == f"plugin p.py: {plugins.environments.problem(source, 'v')}"


def test_inside_the_server_all_plugins_import_the_same(plugins: Plugins) -> None:
    source = plugins.source("own_sample==1.0")
    environments = plugins.opened(host=None)
    assert environments.of(source, "v") == FOR_ALL
    assert environments.problem(source, "v") is None
    note = "plugin p.py asks for packages of its own, which plugins inside the server cannot have"
    assert environments.check(source, "v") == note


def test_without_anything_to_install_with_a_plugin_is_refused(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(PluginError, match=r"the program uv is installed nowhere .*: PATH, /nowhere Plugin p\.py needs"):
        plugins.opened(package_manager="uv").check(plugins.source("own_sample==1.0"), "v")


@pytest.mark.process
def test_requirements_of_a_folder_are_read_again_when_they_change(plugins: Plugins) -> None:
    folder = plugins.folder / "package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    source = PluginSource("package", str(folder))
    assert plugins.environments.of(source, "v") == FOR_ALL
    (folder / "requirements.txt").write_text(
        textwrap.dedent("""\
        # what it needs
        own_sample==1.0
        """)
    )
    first = plugins.built(source)
    (folder / "requirements.txt").write_text("own_sample==2.0\n")
    second = plugins.built(source)
    assert "'2.0'" in module_in(second)
    assert second != first
    (folder / "requirements.txt").unlink()
    (folder / "__init__.py").unlink()
    folder.rmdir()
    assert plugins.built(source) == second, "code that is gone runs on, with its packages"
