import subprocess
import sys
from pathlib import Path

import pytest

from influxdb3_cli.process_list import tokens_in
from tests.support.scripted_server import scripted_server
from tests.support.serving import PROGRAM, clean_environment


@pytest.mark.parametrize(
    ("words", "tokens"),
    [
        (["show", "databases"], []),
        (["show", "databases", "--token", "T"], ["T"]),
        (["--token=T", "--token", "U"], ["U", "T"]),
        (["create", "--token-name", "n", "--token"], []),
        (["--token", "", "--token="], []),
    ],
)
def test_the_tokens_of_a_command_line(words: list[str], tokens: list[str]) -> None:
    assert tokens_in(words) == tokens


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process change what is shown of it")
@pytest.mark.parametrize("form", [["--token", "apiv3_secret"], ["--token=apiv3_secret"]])
def test_a_token_is_not_in_the_list_of_processes(tmp_path: Path, form: list[str]) -> None:
    seen: list[bytes] = []
    with scripted_server() as server:
        words = [PROGRAM, "show", "databases", "--host", server.url, *form]

        with subprocess.Popen(words, env=clean_environment(tmp_path), stdout=subprocess.PIPE) as process:
            shown = Path(f"/proc/{process.pid}/cmdline")
            server.before_answer = lambda: seen.append(shown.read_bytes())
            assert process.wait(20) == 0
        assert server.request.headers["authorization"] == "Bearer apiv3_secret"
    assert b"--host" in seen[0]
    assert b"secret" not in seen[0]
