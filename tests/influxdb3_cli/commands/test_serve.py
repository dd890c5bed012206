from collections.abc import Mapping

import pytest

from engine.inert_settings import FULFILLED_SETTINGS, INERT_SETTINGS, ROOT_SETTINGS
from engine.setting import Setting
from engine.settings import SETTINGS, Settings
from influxdb3_cli.commands import serve
from tests.support.cli import RunCli
from tests.support.settings import CASES, ENVIRON, resolve


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """Note the options of every start, instead of starting."""
    starts: list[Mapping[str, object]] = []
    monkeypatch.setattr(serve, "run_server", lambda options, **_: starts.append(options))
    return starts


def given(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def test_every_setting_is_an_option_with_its_variables(cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    text = cli("serve", "--help-all").stdout
    words = text.replace(",", " ").replace(";", " ").split()
    for setting in SETTINGS:
        assert {f"--{name}" for name in (setting.name, *setting.other_names)} <= set(words)
        assert set(setting.environment) <= set(words)
        assert setting.help.split()[0] in words


@pytest.mark.parametrize("command", [[], ["serve"]])
def test_no_option_is_needed(cli: RunCli, started: list[Mapping[str, object]], command: list[str]) -> None:
    """Differs from row cli 86."""
    assert cli(*command).code == 0
    assert [given(options) for options in started] == [{}]


def test_options_are_handed_on_as_typed(cli: RunCli, started: list[Mapping[str, object]]) -> None:
    options = ["--host-id", "n1", "--http-bind=127.0.0.1:0", "--without-auth", "--object-store", "file"]
    assert cli("serve", *options).code == 0
    assert [given(options) for options in started] == [
        {"node_id": "n1", "http_bind": "127.0.0.1:0", "without_auth": True, "object_store": "file"}
    ]


@pytest.mark.parametrize(("words", "count"), [(["-v"], 1), (["-vvv"], 3), (["-v", "--verbose"], 2)])
def test_more_v_show_more(cli: RunCli, started: list[Mapping[str, object]], words: list[str], count: int) -> None:
    assert cli("serve", *words).code == 0
    assert given(started[0]) == {"verbose": count}


@pytest.mark.parametrize(
    ("arguments", "environment", "error"),
    [
        (["--http-bind", "x"], {}, "error: invalid value 'x' for --http-bind: "),
        (
            [],
            {"INFLUXDB3_WITHOUT_AUTH": "1"},
            "error: invalid value '1' for INFLUXDB3_WITHOUT_AUTH: expected exactly true",
        ),
        (["--gen1-duration", "2m"], {}, "error: invalid value '2m' for --gen1-duration: invalid gen1 duration 2m. "),
    ],
)
def test_a_bad_setting_is_named_with_its_value(
    cli: RunCli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str], error: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = cli("serve", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith(error)


def test_an_unknown_option_is_named(cli: RunCli) -> None:
    result = cli("serve", "--tls-pass", "x")
    assert (result.code, "--tls-pass" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (["--admin-token-recovery-http-bind"], "127.0.0.1:8182"),
        (["--admin-token-recovery-http-bind", "--without-auth"], "127.0.0.1:8182"),
        (["--admin-token-recovery-http-bind", "127.0.0.1:0", "--without-auth"], "127.0.0.1:0"),
        (["--admin-token-recovery-http-bind=[::1]:1"], "[::1]:1"),
    ],
)
def test_the_address_of_recovery_may_be_left_out(
    cli: RunCli, started: list[Mapping[str, object]], words: list[str], address: str
) -> None:
    assert cli("serve", *words).code == 0
    assert started[0]["admin_token_recovery_http_bind"] == address


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_each_setting_is_an_option(cli: RunCli, started: list[Mapping[str, object]], name: str) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)
    words = [f"--{name}={CASES[name].text}"]
    if setting.is_flag or setting.is_count:
        words = [f"--{name}"] * (2 if setting.is_count else 1)
    assert cli("serve", *words).code == 0
    options = given(started[0])
    assert [*options] == [name.replace("-", "_")]
    beside = {key: value for key, value in CASES[name].beside if key != name}
    settings = Settings.resolve({**beside, **options}, ENVIRON)
    assert getattr(settings, setting.attribute) == getattr(resolve(name, "option"), setting.attribute)


@pytest.mark.parametrize("setting", [*INERT_SETTINGS, *FULFILLED_SETTINGS], ids=lambda setting: setting.name)
def test_options_without_effect_are_taken_and_not_shown(
    cli: RunCli, started: list[Mapping[str, object]], setting: Setting
) -> None:
    for name in (setting.name, *setting.other_names):
        assert cli("serve", f"--{name}" if setting.is_flag else f"--{name}=1").code == 0
        assert f"--{name}" not in cli("serve", "--help-all").stdout.replace(",", " ").split()
    names = [name.replace("-", "_") for name in (setting.name, *setting.other_names)]
    assert [[*given(options)] for options in started] == [[setting.name.replace("-", "_")]] * len(names)


@pytest.mark.parametrize("command", [[], ["serve"]])
def test_options_of_the_runtime_may_stand_before_the_command(
    cli: RunCli, started: list[Mapping[str, object]], command: list[str]
) -> None:
    names = [name for setting in ROOT_SETTINGS for name in (setting.name, *setting.other_names)]
    assert cli(*(f"--{name}=1" for name in names), *command).code == 0
    assert {name.replace("_", "-") for name in given(started[0])} == set(names)
