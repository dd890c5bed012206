import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from influxdb3_cli.progress import Bar, Unit, Work, tell
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.terminals import on_terminal

a_process = pytest.mark.process

HIDDEN, BACK = b"\x1b[?25l", b"\x1b[?25h"
JSON_LINES = {"Content-Type": "application/jsonl"}


@pytest.fixture
def held(server: ScriptedServer) -> Iterator[threading.Event]:
    """A server that answers when the event is set."""
    released = threading.Event()
    server.before_answer = lambda: released.wait(20)
    yield released
    released.set()


def is_clean(shown: bytes) -> bool:
    """Return whether the cursor is back, and the line of the bar is gone."""
    after = shown.rpartition(BACK)[2]
    return shown.rfind(BACK) > shown.rfind(HIDDEN) and b"Writing" not in after and b"Receiving" not in after


def lines_file(folder: Path) -> str:
    (folder / "f.lp").write_bytes(b"m f=1\n" * 100)
    return "f.lp"


@a_process
def test_a_file_on_its_way_shows_a_bar(server: ScriptedServer, held: threading.Event, tmp_path: Path) -> None:
    words = ("write", "-d", "foo", "-H", server.url, "-f", lines_file(tmp_path), "--max-request-size", "60")
    with on_terminal(*words, folder=tmp_path) as screen:
        screen.read(lambda shown: b"Writing" in shown and b"600" in shown)
        held.set()
        assert screen.code() == 0
    assert is_clean(screen.shown)
    told = [line for line in screen.shown.splitlines() if b"requests/sec" in line]
    assert len(told) == 1
    assert b": 10 requests (" in told[0]


@a_process
def test_an_interrupt_leaves_the_terminal_clean(server: ScriptedServer, held: threading.Event, tmp_path: Path) -> None:
    words = ("write", "-d", "foo", "-H", server.url, "-f", lines_file(tmp_path), "--max-request-size", "60")
    with on_terminal(*words, folder=tmp_path) as screen:
        screen.read(lambda shown: b"Writing" in shown)
        screen.interrupt()
        assert screen.code() == 130
    assert is_clean(screen.shown)
    assert b"Traceback" not in screen.shown
    assert screen.shown.endswith(b"\r\n")


@a_process
@pytest.mark.parametrize("words", ["query -d foo q", "show system -d foo summary", "query -d foo -o f q"])
def test_an_interrupt_ends_a_request_under_way(
    server: ScriptedServer, held: threading.Event, tmp_path: Path, words: str
) -> None:
    asked = threading.Event()
    server.before_answer = lambda: (asked.set(), held.wait(20))
    with on_terminal(*words.split(), folder=tmp_path, environment={"INFLUXDB3_HOST_URL": server.url}) as screen:
        assert asked.wait(20)
        screen.interrupt()
        assert screen.code() == 130
    rest = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", screen.shown.rpartition(b"^C")[2])
    assert rest.strip() == b""


@a_process
def test_rows_for_a_file_show_a_bar_without_colours_where_none_are_wanted(
    server: ScriptedServer, held: threading.Event, tmp_path: Path
) -> None:
    server.replies.append(Reply(body=b"rows"))
    words = ("query", "-d", "foo", "-H", server.url, "-o", "f", "q")
    with on_terminal(*words, folder=tmp_path, environment={"NO_COLOR": "1"}) as screen:
        screen.read(lambda shown: b"Receiving" in shown)
        held.set()
        assert screen.code() == 0
    assert (tmp_path / "f").read_bytes() == b"rows"
    assert is_clean(screen.shown)
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", screen.shown)


@a_process
def test_an_installation_shows_its_lines_above_the_bar(
    server: ScriptedServer, held: threading.Event, tmp_path: Path
) -> None:
    server.replies.append(Reply(200, b'{"line":"Collecting [a]"}\n{"status":"ok"}\n', JSON_LINES))
    with on_terminal("install", "package", "a", "-H", server.url, folder=tmp_path) as screen:
        screen.read(lambda shown: b"Installing" in shown)
        held.set()
        assert screen.code() == 0
    assert b"Collecting [a]\r\n" in screen.shown
    assert is_clean(screen.shown)


@a_process
@pytest.mark.parametrize(
    ("before", "environment"), [((), {"TERM": "dumb"}), (("--quiet",), {}), ((), {"TERM": "dumb", "NO_COLOR": "1"})]
)
def test_a_bar_may_be_unwanted(
    server: ScriptedServer, tmp_path: Path, before: tuple[str, ...], environment: dict[str, str]
) -> None:
    words = (*before, "write", "-d", "foo", "-H", server.url, "-f", lines_file(tmp_path))
    with on_terminal(*words, folder=tmp_path, environment=environment) as screen:
        assert screen.code() == 0
    assert b"\x1b" not in screen.shown
    assert (screen.shown == b"") == bool(before)


@pytest.mark.parametrize(
    ("work", "done", "expected"),
    [
        (Work("Writing", Unit.BYTES, 3 << 20), 1 << 20, "1.00MiB of 3.00MiB, 512.00KiB/s"),
        (Work("Receiving", Unit.BYTES), 1000, "1000B, 500B/s"),
        (Work("Backfill", Unit.ROWS, 300), 100, "100 rows of 300 rows, 50 rows/s"),
        (Work("Backfill", Unit.ROWS, 300), 0, ""),
        (Work("Installing"), 3, ""),
    ],
)
def test_progress_is_told(work: Work, done: int, expected: str) -> None:
    assert tell(work, done, elapsed_s=2) == expected


@pytest.mark.parametrize("unit", list(Unit))
def test_nobody_looks_at_a_pipe(capsys: pytest.CaptureFixture[str], unit: Unit) -> None:
    with Bar(Work("Work", unit, 3)) as bar:
        bar.reach(1)
        assert list(bar.counted([b"ab"])) == [b"ab"]
        bar.note("a line")
    assert capsys.readouterr() == ("", "a line\n")
