from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer


@pytest.mark.parametrize("name", ["query", "q"])
def test_the_query_may_come_as_argument_file_or_input(
    connected: RunCli, server: ScriptedServer, tmp_path: Path, name: str
) -> None:
    """Rows cli 42 and cli 43; the text is sent as it is."""
    (tmp_path / "q.sql").write_text("SELECT 'ä'\n", encoding="utf-8")
    connected(name, "-d", "foo", "SELECT 1", stdin="SELECT 3")
    connected(name, "-d", "foo", "--file", "q.sql", stdin="SELECT 3")
    connected(name, "-d", "foo", stdin="SELECT 3\n")
    assert [request.json["q"] for request in server.requests] == ["SELECT 1", "SELECT 'ä'\n", "SELECT 3\n"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "error"),
    [
        (["-f", "gone.sql"], "", "io error: No such file or directory (os error 2)"),
        ([], None, "No input from stdin detected, no string was passed in,  and no file path was given"),
        (["-o", "no/such/folder", "SELECT 1"], "", "io error: No such file or directory (os error 2)"),
    ],
)
def test_what_cannot_be_read_or_written_is_told(
    connected: RunCli, arguments: list[str], stdin: str | None, error: str
) -> None:
    result = connected("query", "-d", "foo", *arguments, stdin=stdin)
    assert (result.code, result.stdout, result.stderr) == (1, "", f"Query command failed: {error}\n")


def test_rows_are_printed_with_one_line_break_more(connected: RunCli, server: ScriptedServer) -> None:
    server.replies += [Reply(body=b"a\n1\n"), Reply(body=b"[]")]
    assert connected("query", "-d", "foo", "--format", "csv", "q").stdout == "a\n1\n\n"
    assert connected("query", "-d", "foo", "--format", "json", "q").stdout == "[]\n"
    assert [request.json["format"] for request in server.requests] == ["csv", "json"]


def test_rows_go_to_a_file_as_they_are(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("what was there before is gone")
    server.replies.append(Reply(body=b"PAR1\x00\xff"))
    result = connected("query", "-d", "foo", "--format", "parquet", "-o", "rows", "q")
    assert (result.code, result.stdout, (tmp_path / "rows").read_bytes()) == (0, "", b"PAR1\x00\xff")


def test_parquet_goes_to_a_pipe_but_not_to_a_terminal(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.replies += [Reply(body=b"PAR1"), Reply(body=b"PAR1")]
    assert connected("query", "-d", "foo", "--format", "parquet", "q").stdout == "PAR1"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    result = connected("query", "-d", "foo", "--format", "parquet", "q")
    problem = "cannot write parquet to a terminal, use `--output <file>` or pipe the output"
    assert (result.code, result.stdout, result.stderr) == (1, "", f"Query command failed: {problem}\n")


def test_another_host_may_answer_queries(cli: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("query", "-d", "foo", "-H", "http://127.0.0.1:9", "--query-host", server.url, "q").code == 0
    monkeypatch.setenv("INFLUXDB3_QUERY_HOST_URL", server.url)
    assert cli("query", "-d", "foo", "q").code == 0
    assert len(server.requests) == 2


def test_only_sql_is_offered(connected: RunCli) -> None:
    assert connected("query", "-d", "foo", "-l", "sql", "q").code == 0
    refused = connected("query", "-d", "foo", "-l", "influxql", "q")
    assert (refused.code, "'influxql' is not" in refused.stderr) == (2, True)


def test_an_answer_that_breaks_off_ends_with_an_error(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, b'[{"a":1},' * 10_000, is_broken=True))
    result = connected("query", "-d", "foo", "--format", "json", "q")
    assert result.code == 1
    assert result.stderr.startswith("Query command failed: the server's answer ended early: ")
