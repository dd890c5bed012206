import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.host.protocol import (
    Beat,
    Done,
    Interrupt,
    Log,
    NamespaceSync,
    Query,
    QueryReply,
    Settle,
    StateValue,
    Stop,
    WriteNow,
    WriteReply,
)
from tests.support.plugin_host import ROOT, Host
from tests.support.plugins import WAIT_S, ipc_stream, plugin_file, plugin_run

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    venv = tmp_path_factory.mktemp("venv")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (venv / "lib" / version / "site-packages").mkdir(parents=True)
    (venv / "lib" / version / "site-packages" / "in_venv_for_test.py").write_text("value = 5")
    built = Host(VIRTUAL_ENV=str(venv), TZ="Asia/Tokyo")
    yield built
    built.close()


@pytest.fixture
def own_host() -> Iterator[Host]:
    built = Host()
    yield built
    built.close()


def test_run_is_announced_and_ended_and_calls_are_answered(host: Host, tmp_path: Path) -> None:
    code = """
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.info(influxdb3_local.query("q", {"a": 1}, "db"))
        influxdb3_local.write_sync(LineBuilder("t").int64_field("n", 1), False)
        try:
            influxdb3_local.query("bad")
        except Exception as error:
            influxdb3_local.error(error)
        influxdb3_local.cache.put("k", influxdb3_local.cache.get("k", 0) + 1)
    """
    run = plugin_run(
        plugin_file(tmp_path, code),
        namespace=str(tmp_path),
        state=[NamespaceSync(str(tmp_path), 3, whole=True, values=[StateValue("k", b"\x80\x05K).")])],
    )
    host.channel.send(run)
    host.take_entered(run)
    query = host.next()
    assert isinstance(query, Query)
    assert query == Query(query.call_id, run.run_id, "db", "q", {"a": 1})
    host.channel.send(QueryReply(query.call_id, ipc_stream(pa.table({"x": [1]}))))
    assert host.next() == Log(run.run_id, "INFO", "[{'x': 1}]")
    write = host.next()
    assert isinstance(write, WriteNow)
    assert write == WriteNow(write.call_id, run.run_id, None, "t n=1i", no_sync=False)
    host.channel.send(WriteReply(write.call_id))
    bad = host.next()
    assert isinstance(bad, Query)
    host.channel.send(QueryReply(bad.call_id, error="error: no"))
    assert host.next() == Log(run.run_id, "ERROR", "error: no")
    done = host.next()
    assert isinstance(done, Done)
    assert (done.error, [change.values for change in done.changes]) == (None, [[StateValue("k", b"\x80\x05K*.")]])
    host.channel.send(Settle(run.run_id, "committed", {str(tmp_path): 4}))


def test_process_is_what_plugins_expect(host: Host, tmp_path: Path) -> None:
    """Processing-engine §3.2, §4.6, §4.7, §11."""
    body = """
    import os, signal, sys, time
    import __main__
    import in_venv_for_test
    local.info(time.tzname, os.environ["TZ"])
    local.info(sys.prefix == sys.exec_prefix == os.environ["VIRTUAL_ENV"])
    local.info(signal.getsignal(signal.SIGINT) is signal.SIG_DFL)
    local.info(__main__.InvalidLineError.__name__)
    local.info(os.getcwd() in sys.path, in_venv_for_test.value)
    try:
        import influxdb3_pe
    except ImportError:
        local.info("no influxdb3_pe")
    """
    assert host.logs(tmp_path, body) == [
        "('UTC', 'UTC') UTC",
        "True",
        "True",
        "InvalidLineError",
        f"{str(ROOT) == os.getcwd()} 5",  # noqa: PTH109 - the root is on the path only because the test put it there
        "no influxdb3_pe",
    ]


def test_heart_beats_while_a_plugin_computes(host: Host, tmp_path: Path) -> None:
    run = plugin_run(plugin_file(tmp_path, "def process_scheduled_call(local, *a):\n    while True: pass"))
    host.channel.send(run)
    host.take_entered(run)
    assert host.channel.receive() == Beat()
    assert host.channel.receive() == Beat()
    host.channel.send(Interrupt(run.run_id, "timeout", "too long"))
    done = host.next()
    assert isinstance(done, Done)
    assert done.error is not None
    assert (done.error.kind, done.error.text) == ("timeout", "too long")


def test_interruption_reaches_a_run_that_waits_for_a_reply(host: Host, tmp_path: Path) -> None:
    code = "def process_scheduled_call(local, *a):\n    local.query('SELECT 1')"
    run = plugin_run(plugin_file(tmp_path, code))
    host.channel.send(run)
    host.take_entered(run)
    query = host.next()
    assert isinstance(query, Query)
    host.channel.send(Interrupt(run.run_id, "cancelled", "no longer wanted"))
    done = host.next()
    assert isinstance(done, Done)
    assert done.error is not None
    assert (done.error.kind, done.error.text) == ("cancelled", "no longer wanted")
    host.channel.send(QueryReply(query.call_id, b"late"))
    assert host.logs(tmp_path, "local.info('fine')", "other.py") == ["fine"]


def test_value_that_cannot_travel_fails_its_call_only(host: Host, tmp_path: Path) -> None:
    body = """
    try:
        local.query("q", {"n": 2**70})
    except OverflowError as error:
        local.info("refused")
    """
    assert host.logs(tmp_path, body) == ["refused"]


def test_output_of_a_run_is_in_its_log_and_all_else_is_the_servers(own_host: Host, tmp_path: Path) -> None:
    """Processing-engine §11."""
    body = """
    import os, sys, threading
    print('of the run')
    print('careful', file=sys.stderr)
    thread = threading.Thread(target=print, args=('of a thread',))
    thread.start()
    thread.join()
    os.write(1, b'of c code\\n')
    child = os.fork()
    if child == 0:
        print('of a child')
        return
    os.waitpid(child, 0)
    print('no end', end='')
    """
    assert own_host.logs(tmp_path, body) == ["of the run", "careful", "no end"]
    assert own_host.process.stdout is not None
    lines = [own_host.process.stdout.readline() for _ in range(3)]
    assert lines == ["of a thread\n", "of c code\n", "of a child\n"]


def test_a_flood_of_log_lines_is_cut_off_and_told(own_host: Host, tmp_path: Path) -> None:
    lines = own_host.logs(tmp_path, "for n in range(20_000): local.info('x' * 1000)")
    assert len(lines) < 1500
    assert any("were dropped" in line for line in lines)


def test_stop_runs_what_libraries_do_at_exit(own_host: Host, tmp_path: Path) -> None:
    own_host.logs(tmp_path, "import atexit\natexit.register(print, 'flushed')")
    own_host.channel.send(Stop())
    assert own_host.process.wait(WAIT_S) == 0
    assert own_host.process.stdout is not None
    assert own_host.process.stdout.read() == "flushed\n"


def test_stop_does_not_wait_for_threads_that_never_end(own_host: Host, tmp_path: Path) -> None:
    own_host.logs(tmp_path, "import threading\nthreading.Thread(target=threading.Event().wait).start()")
    own_host.channel.send(Stop())
    assert own_host.process.wait(WAIT_S) == 0


@pytest.mark.parametrize("loop", ["while True: pass", "pass"])
def test_host_ends_when_the_connection_does(own_host: Host, tmp_path: Path, loop: str) -> None:
    run = plugin_run(plugin_file(tmp_path, f"def process_scheduled_call(local, *a):\n    {loop}"))
    own_host.channel.send(run)
    own_host.take_entered(run)
    own_host.channel.close()
    assert own_host.process.wait(WAIT_S) == 0


def test_host_ends_with_its_server_even_if_it_never_reads(tmp_path: Path) -> None:
    """The server is killed while a plugin sits in C code that holds the interpreter; only the kernel can end it."""
    plugin = plugin_file(
        tmp_path, "import re\ndef process_scheduled_call(local, *a):\n    re.match(r'(a|aa)+$', 'a' * 60 + 'b')"
    )
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.support.plugin_host import Host
from tests.support.plugins import plugin_run
from engine.host.protocol import Entered, PluginSource
host = Host()
run = plugin_run(PluginSource("plugin.py", {plugin.path!r}))
host.channel.send(run)
host.take_entered(run)
print(host.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run((sys.executable, "-c", script), stdout=subprocess.PIPE, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    with contextlib.suppress(ProcessLookupError):  # it is gone already
        pid_fd = os.pidfd_open(int(killed.stdout))
        end = select.poll()  # select knows no descriptors above 1,023
        end.register(pid_fd, select.POLLIN)
        ended = end.poll(WAIT_S * 1_000)
        os.close(pid_fd)
        assert ended
