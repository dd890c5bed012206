import gzip
import threading
from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer


def test_lines_may_come_as_argument_file_or_input(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    """Rows cli 41, cli 43 and cli 45."""
    (tmp_path / "f.lp").write_bytes(b"m f=2\n\xff")
    connected("write", "-d", "foo", "-q", "m f=1\nm f=2", stdin="m f=3")
    connected("w", "-d", "foo", "-q", "--file", "f.lp", stdin="m f=3")
    connected("w", "-d", "foo", "-q", stdin="m f=3")
    assert [request.body for request in server.requests] == [b"m f=1\nm f=2", b"m f=2\n\xff", b"m f=3"]


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param(["-p", "auto"], {"precision": "auto"}, id="auto"),
        pytest.param(["--precision", "s"], {"precision": "second"}, id="s"),
        pytest.param(["-p", "ms"], {"precision": "millisecond"}, id="ms"),
        pytest.param(["-p", "u"], {"precision": "microsecond"}, id="u"),
        pytest.param(["-p", "nanosecond"], {"precision": "nanosecond"}, id="long-word"),
        pytest.param(["--accept-partial"], {"accept_partial": "true"}, id="accept-partial"),
        pytest.param(["--no-sync"], {"no_sync": "true"}, id="no-sync"),
    ],
)
def test_only_options_that_were_given_are_sent(
    connected: RunCli, server: ScriptedServer, options: list[str], parameters: dict[str, str]
) -> None:
    """Row cli 48."""
    assert connected("write", "-d", "foo", *options, "m f=1").code == 0
    assert server.request.parameters == {"db": "foo"} | parameters


def test_bodies_may_be_compressed(connected: RunCli, server: ScriptedServer) -> None:
    """Row cli 44."""
    assert connected("write", "-d", "foo", "--quiet", "--gzip", stdin="m f=1").stderr == ""
    assert server.request.headers["content-encoding"] == "gzip"
    assert gzip.decompress(server.request.body) == b"m f=1"


def test_large_input_goes_in_several_requests(connected: RunCli, server: ScriptedServer) -> None:
    lines = "".join(f"m f={number}\n" for number in range(100))
    result = connected("write", "-d", "foo", "--max-request-size", "100", stdin=lines)
    assert sorted(b"".join(request.body for request in server.requests).split()) == sorted(lines.encode().split())
    assert all(len(request.body) <= 100 for request in server.requests)
    *_, last = result.stderr.splitlines()
    assert len(result.stderr.splitlines()) == len(server.requests)
    assert f" {len(server.requests)} requests (" in last
    assert " 100 lines (" in last


def test_several_requests_are_under_way_together(connected: RunCli, server: ScriptedServer) -> None:
    server.before_answer = threading.Barrier(3, timeout=10).wait
    arguments = ("--max-request-size", "6", "--max-concurrent-requests", "3", "--quiet")
    assert connected("write", "-d", "foo", *arguments, stdin="m f=1\nm f=2\nm f=3\n").code == 0


@pytest.mark.parametrize("size", ["6", "1000"])
def test_the_first_failure_ends_it(connected: RunCli, server: ScriptedServer, size: str) -> None:
    body = b'{"error":"partial write of line protocol occurred","data":[]}'
    server.replies += [Reply(400, body)] * 2
    result = connected("write", "-d", "foo", "--max-request-size", size, stdin="m f=1\nbad\n")
    assert result.code == 1
    assert result.stderr == f"Write command failed: server responded with error [400 Bad Request]: {body.decode()}\n"


def test_empty_input_is_no_request(connected: RunCli, server: ScriptedServer) -> None:
    result = connected("write", "-d", "foo", stdin="")
    assert (result.code, result.stdout, result.stderr, server.requests) == (0, "", "", [])


@pytest.mark.parametrize(
    ("arguments", "stdin", "error"),
    [
        (["--file", "gone.lp"], "", "error reading file: No such file or directory (os error 2)"),
        ([], None, "No input from stdin detected, no string was passed in, and no file path was given"),
        (
            ["cpu", "a=1"],
            "",
            "ensure that a single protocol line string is provided as the final argument, enclosed in quotes",
        ),
    ],
)
def test_input_that_cannot_be_had_is_told(
    connected: RunCli, server: ScriptedServer, arguments: list[str], stdin: str | None, error: str
) -> None:
    result = connected("write", "-d", "foo", *arguments, stdin=stdin)
    assert (result.code, result.stderr, server.requests) == (1, f"Write command failed: {error}\n", [])


def test_another_host_may_take_writes(cli: RunCli, server: ScriptedServer) -> None:
    assert cli("write", "-d", "foo", "-H", "http://127.0.0.1:9", "--write-host", server.url, "m f=1").code == 0
    assert len(server.requests) == 1
