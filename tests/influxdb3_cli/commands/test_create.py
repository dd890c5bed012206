from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

TRIGGER = ("create", "trigger", "t", "-d", "foo")


@pytest.mark.parametrize(
    ("spec", "sent"),
    [
        ("table:cpu", "table:cpu"),
        (" all_tables ", "all_tables"),
        ("every:90m", "every:1h 30m"),
        ("cron:0 8 * * *", "cron:0 8 * * *"),
        ("cron:0 0 8 * * *", "cron:0 0 8 * * *"),
        ("request:a", "request:a"),
        ("path:webhook", "request:webhook"),
    ],
)
def test_a_specification_is_sent_in_its_canonical_form(
    connected: RunCli, server: ScriptedServer, spec: str, sent: str
) -> None:
    assert connected(*TRIGGER, "--path", "p.py", "--trigger-spec", spec).code == 0
    assert server.request.json["trigger_specification"] == sent


@pytest.mark.parametrize("spec", ["", "table:", "every:x", "every:2y", "cron:x", "request:", "what"])
def test_a_bad_specification_is_a_usage_error(connected: RunCli, server: ScriptedServer, spec: str) -> None:
    result = connected(*TRIGGER, "--path", "p.py", "--trigger-spec", spec)
    assert (result.code, server.requests) == (2, [])
    assert f"failed to parse trigger from {spec}" in result.stderr


def test_all_settings_of_a_trigger_are_sent(connected: RunCli, server: ScriptedServer) -> None:
    options = "--disabled --run-asynchronous --error-behavior retry --timeout 2.5 --max-memory 1gb"
    options += " --trigger-arguments a=1 --trigger-arguments b=2"
    connected(*TRIGGER, "--plugin-filename", "p.py", "--trigger-spec", "all_tables", *options.split())
    assert server.request.json == {
        "db": "foo",
        "plugin_filename": "p.py",
        "trigger_name": "t",
        "trigger_settings": {
            "run_async": True,
            "error_behavior": "retry",
            "timeout_s": 2.5,
            "max_memory_bytes": 1024**3,
        },
        "trigger_specification": "all_tables",
        "trigger_arguments": {"a": "1", "b": "2"},
        "disabled": True,
    }


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        ([], 1, "Create command failed: Either --path or --plugin-filename must be provided"),
        (["--path", "p.py", "--plugin-filename", "p.py"], 2, "'p.py': cannot be used with --plugin-filename"),
        (["--path", "p.py", "--trigger-arguments", "a"], 2, "'a': must be formatted as \"key=value\""),
        (["--path", "p.py", "--timeout", "0"], 2, "'0': not a number of seconds above 0"),
        (["--path", "p.py", "--max-memory", "1xb"], 2, "'1xb': expected a number with one of the units"),
        (["--path", "p.py", "--timezone", "Mars/Base"], 2, "'Mars/Base': not the IANA name of a time zone"),
        (["--path", "p.py", "--timeout", "inf"], 2, "'inf': not a number of seconds above 0"),
        (["--path", "p.py", "--error-behavior", "Log"], 2, "'Log' is not one of"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    connected: RunCli, server: ScriptedServer, options: list[str], code: int, error: str
) -> None:
    result = connected(*TRIGGER, "--trigger-spec", "all_tables", *options)
    assert (result.code, server.requests) == (code, [])
    assert error in result.stderr


def test_what_the_server_warns_of_is_told(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, headers={"x-influxdb3-warning": "plugin p.py: SyntaxError: invalid syntax"}))
    result = connected(*TRIGGER, "--path", "p.py", "--trigger-spec", "all_tables")
    assert (result.code, result.stdout) == (0, "Trigger t created successfully\n")
    assert result.stderr == "warning: plugin p.py: SyntaxError: invalid syntax\n"


def test_upload_sends_a_file_with_the_trigger(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "p.py").write_text("code")
    assert connected(*TRIGGER, "--path", "sub/p.py", "--trigger-spec", "all_tables", "--upload").code == 0
    assert server.request.json["plugin_files"] == {"p.py": "code"}
    assert server.request.json["plugin_filename"] == "p.py"


def test_upload_of_a_path_above_lands_in_the_plugin_folder(
    connected: RunCli, server: ScriptedServer, tmp_path: Path
) -> None:
    """B2.20"""
    (tmp_path.parent / "escape_test.py").write_text("code")
    assert connected(*TRIGGER, "--path", "../escape_test.py", "--trigger-spec", "all_tables", "--upload").code == 0
    assert server.request.json["plugin_files"] == {"escape_test.py": "code"}


def test_upload_sends_every_file_of_a_folder(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    for name in ("__init__.py", "more.py", "requirements.txt", "notes.txt"):
        (tmp_path / "pack" / name).write_text("")
    assert connected(*TRIGGER, "--path", "pack", "--trigger-spec", "all_tables", "--upload").code == 0
    assert list(server.request.json["plugin_files"]) == ["pack/__init__.py", "pack/more.py", "pack/requirements.txt"]
    assert server.request.json["plugin_filename"] == "pack"


def test_strict_is_asked_of_the_server(connected: RunCli, server: ScriptedServer) -> None:
    assert connected(*TRIGGER, "--path", "p.py", "--trigger-spec", "all_tables", "--strict").code == 0
    assert server.request.json["strict"] is True


def test_a_folder_without_package_file_is_refused(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    """Row cli 59."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "more.py").write_text("")
    result = connected(*TRIGGER, "--path", "./dir", "--trigger-spec", "all_tables", "--upload")
    assert (result.code, server.requests) == (1, [])
    assert result.stderr == "Create command failed: Multi-file plugin directory must contain __init__.py: dir\n"


def test_a_failed_upload_creates_no_trigger(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    """Row cli 58."""
    (tmp_path / "p.py").write_text("")
    server.replies.append(Reply(500, b"Processing engine error: plugin error: No plugin directory configured"))
    result = connected(*TRIGGER, "--path", "p.py", "--trigger-spec", "all_tables", "--upload")
    assert (result.code, len(server.requests)) == (1, 1)
    assert "No plugin directory" in result.stderr


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ("a", "invalid FIELD:VALUE. No `:` found in `a`"),
        ("a:str", "str is not a valid data type, values are int64, uint64, float64, utf8, and bool"),
        ("a:int64,b:", " is not a valid data type"),
        ("a:int64:bool", "int64:bool is not a valid data type"),
    ],
)
def test_bad_fields_are_a_usage_error(connected: RunCli, server: ScriptedServer, fields: str, error: str) -> None:
    result = connected("create", "table", "bar", "-d", "foo", "--fields", fields)
    assert (result.code, server.requests) == (2, [])
    assert error in result.stderr


def test_a_token_is_not_made_when_nobody_listens(cli: RunCli) -> None:
    result = cli("create", "token", "--admin", "--host", "http://127.0.0.1:9")
    url = "http://127.0.0.1:9/api/v3/configure/token/admin"
    assert result.code == 1
    assert result.stdout.startswith(f'Failed to create token, error: RequestSend {{ method: POST, url: "{url}"')
