from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

JSON_LINES = {"Content-Type": "application/jsonl"}


def test_progress_goes_to_stderr_and_success_is_quiet(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, b'{"line":"Collecting a"}\n{"line":"Done"}\n{"status":"ok"}\n', JSON_LINES))
    result = connected("install", "package", "a", "b==1")
    assert (result.code, result.stdout, result.stderr) == (0, "", "Collecting a\nDone\n")
    assert server.request.json == {"packages": ["a", "b==1"]}


def test_failure_ends_with_the_servers_message(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(
        Reply(200, b'{"line":"Collecting a"}\n{"status":"error","message":"no such package"}', JSON_LINES)
    )
    result = connected("install", "package", "a")
    assert (result.code, result.stderr) == (1, "Collecting a\nInstall command failed: no such package\n")


def test_a_refusal_is_told(connected: RunCli, server: ScriptedServer) -> None:
    text = "Package installation has been disabled. Contact your administrator for more information."
    server.replies.append(Reply(403, text.encode()))
    result = connected("install", "package", "a")
    assert result.stderr == f"Install command failed: server responded with error [403 Forbidden]: {text}\n"


def test_a_requirements_file_goes_before_packages(connected: RunCli, server: ScriptedServer) -> None:
    assert connected("install", "package", "a", "-r", "dir/requirements.txt").code == 0
    assert server.request.path.endswith("/install_requirements")
    assert server.request.json == {"requirements_location": "dir/requirements.txt"}


def test_options_of_the_server_are_taken_without_effect(connected: RunCli, server: ScriptedServer) -> None:
    given = "--plugin-dir p --virtual-env-location v --package-manager uv --plugin-repo r --restrict-plugin-triggers-to"
    result = connected("install", "package", "a", *given.split(), "wal", "schedule")
    assert (result.code, server.request.json) == (0, {"packages": ["a"]})
    names = given.replace(" p ", " ").replace(" v ", " ").replace(" uv ", " ").replace(" r ", " ").replace(" ", ", ")
    assert result.stderr == f"warning: {names} without effect: the server was told these when it was started\n"
