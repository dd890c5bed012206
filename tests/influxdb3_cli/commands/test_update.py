from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

TRIGGER = ("update", "trigger", "t", "-d", "foo")


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (["--trigger-spec", "every:90m"], {"trigger_specification": "every:1h 30m"}),
        (["--plugin-filename", "q.py"], {"plugin_filename": "q.py"}),
        (["--trigger-arguments", "a=1,b=2"], {"trigger_arguments": {"a": "1", "b": "2"}}),
        (["--trigger-arguments", ""], {"trigger_arguments": None}),
        (["--run-asynchronous"], {"trigger_settings": {"run_async": True}}),
        (["--run-synchronous"], {"trigger_settings": {"run_async": False}}),
        (["--error-behavior", "retry"], {"trigger_settings": {"error_behavior": "retry"}}),
        (
            ["--timeout", "1m", "--max-memory", "default"],
            {"trigger_settings": {"timeout_s": 60, "max_memory_bytes": None}},
        ),
    ],
)
def test_only_what_is_named_is_sent(
    connected: RunCli, server: ScriptedServer, options: list[str], changes: dict[str, object]
) -> None:
    result = connected(*TRIGGER, *options)
    assert (result.code, result.stdout) == (0, "Trigger 't' updated successfully\n")
    assert (server.request.method, server.request.path) == ("PATCH", "/api/v3/configure/processing_engine_trigger")
    assert server.request.json == {"db": "foo", "trigger_name": "t", **changes}


def test_the_trigger_may_be_named_by_an_option(connected: RunCli, server: ScriptedServer) -> None:
    assert connected("update", "trigger", "-d", "foo", "-t", "x", "--timeout", "1").code == 0
    assert server.request.json["trigger_name"] == "x"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([*TRIGGER], "nothing to change; name at least one option"),
        ([*TRIGGER, "-t", "u", "--timeout", "1"], "'u': the trigger is called 't' too"),
        (["update", "trigger", "-d", "foo", "--timeout", "1"], "which trigger? Give its name"),
        ([*TRIGGER, "--timeout", "0"], "'0': not a number of seconds above 0"),
        ([*TRIGGER, "-p", "a.py", "--plugin-filename", "b.py"], "'a.py': cannot be used with --plugin-filename"),
        ([*TRIGGER, "--isolation", "own"], "'own': must be shared or trigger"),
        ([*TRIGGER, "--trigger-spec", "x"], "failed to parse trigger from x"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    connected: RunCli, server: ScriptedServer, arguments: list[str], error: str
) -> None:
    result = connected(*arguments)
    assert (result.code, server.requests) == (2, [])
    assert error in result.stderr


def test_what_the_server_warns_of_is_told(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, headers={"x-influxdb3-warning": "hm"}))
    assert connected(*TRIGGER, "--timeout", "1").stderr == "warning: hm\n"


def test_a_file_replaces_that_of_the_trigger(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    """B10.20, row cli 66."""
    (tmp_path / "new.py").write_text("code")
    server.replies.append(Reply(200, headers={"x-influxdb3-warning": "hm"}))
    result = connected("update", "trigger", "-d", "foo", "-t", "t", "-p", "new.py")
    assert (result.code, result.stdout) == (0, "Trigger 't' updated successfully\n")
    assert result.stderr == "warning: hm\n"
    assert (server.request.method, server.request.path) == ("PUT", "/api/v3/plugins/files")
    assert server.request.parameters == {"db": "foo"}
    assert server.request.json == {"plugin_name": "t", "content": "code"}


def test_a_folder_replaces_that_of_the_trigger(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    """B10.20"""
    (tmp_path / "pack" / "sub").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("1")
    (tmp_path / "pack" / "sub" / "a.py").write_text("2")
    result = connected(*TRIGGER, "--path", "pack", "--timeout", "1")
    assert result.stdout == "Trigger 't' updated successfully (atomic directory replacement)\n"
    settings, folder = server.requests
    assert settings.json["trigger_settings"] == {"timeout_s": 1}
    assert (folder.method, folder.path) == ("PUT", "/api/v3/plugins/directory")
    files = [{"relative_path": "__init__.py", "content": "1"}, {"relative_path": "sub/a.py", "content": "2"}]
    assert folder.json == {"plugin_name": "t", "files": files}


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("gone.py", "Update command failed: Path does not exist: gone.py\n"),
        ("empty", "Update command failed: No Python files found in directory: empty\n"),
        ("bare", "Update command failed: Multi-file plugin directory must contain __init__.py: bare\n"),
    ],
)
def test_what_cannot_replace_a_plugin_is_not_sent(
    connected: RunCli, server: ScriptedServer, tmp_path: Path, path: str, error: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "a.py").write_text("")
    result = connected(*TRIGGER, "-p", path)
    assert (result.code, result.stderr, server.requests) == (1, error, [])
