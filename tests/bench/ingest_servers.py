"""The servers that the ingest section writes to: ours, Debian's ``influxd``, and any other by its URL."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from tests.support.serving import serving

DATABASE = "bench"
_MOST_START_S = 30
_MOST_SETTLING_S = 120
_QUIET_S = 3.0
_PEAK = "VmHWM:"

# Every write is synced before it is acknowledged, which is the default; limits are lifted, and what would write to the
# disk by itself or report home is off. The cold durations say how soon rows go from the log to files when nobody writes.
_CONFIG = """
reporting-enabled = false
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "inmem"
  wal-fsync-delay = "0s"
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0
  {cold}
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
  max-body-size = 0
  max-concurrent-write-limit = 0
"""
_COLD = 'cache-snapshot-write-cold-duration = "2s"\n  compact-full-write-cold-duration = "4s"'


@dataclass(frozen=True, slots=True)
class Target:
    """A server that takes line protocol.

    Attributes:
        write_url: where bodies are posted, the query included; nanoseconds, acknowledged when durable.
        pid: its process; ``None`` = it is not on this machine.
        folder: where it keeps its data, if that is known.
        settles_at_end: rows go to its own files when it ends, not soon after the last write.
    """

    name: str
    write_url: str
    pid: int | None = None
    folder: Path | None = None
    headers: dict[str, str] = field(default_factory=dict)
    settles_at_end: bool = False

    def settled_bytes(self) -> int:
        """Return what its data takes up on the disk when all of it stands in the server's own files; it may end for that."""
        assert self.pid is not None
        assert self.folder is not None
        if self.settles_at_end:
            server = psutil.Process(self.pid)
            server.terminate()
            server.wait()
        return settled_bytes(self.folder)

    def cpu_s(self) -> float | None:
        """Return the CPU seconds that the server and its children took so far."""
        if self.pid is None:
            return None
        times = [process.cpu_times() for process in self._processes(self.pid)]
        return sum(t.user + t.system for t in times)

    def peak_mb(self) -> float | None:
        """Return the most memory that it held at one time (resident set, MB), with that of its children."""
        if self.pid is None:
            return None
        peaks = []
        for process in self._processes(self.pid):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peaks += [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(_PEAK)]
        return sum(peaks)

    def pss_mb(self) -> float | None:
        """Return the memory that it holds now (proportional set, MB), with that of its children."""
        if self.pid is None:
            return None
        return sum(process.memory_full_info().pss for process in self._processes(self.pid)) / 1e6

    @staticmethod
    def _processes(pid: int) -> list[psutil.Process]:
        server = psutil.Process(pid)
        return [server, *server.children(recursive=True)]


Opened = Callable[[], AbstractContextManager[Target]]
"""Starts a server with an empty database, and ends it."""


@contextmanager
def ours(*options: str) -> Iterator[Target]:
    """Run our server in a temporary folder."""
    with (
        tempfile.TemporaryDirectory(prefix="influxdb3-bench-") as folder,
        serving(Path(folder), "--without-auth", *options) as server,
    ):
        httpx.post(f"{server.url}/api/v3/configure/database", json={"db": DATABASE}).raise_for_status()
        yield Target("influxdb3", _v3_url(server.url), server.process.pid, Path(folder) / "data", settles_at_end=True)


@contextmanager
def influxd(program: str = "influxd", *, settles_soon: bool = False) -> Iterator[Target]:
    """Run ``influxd`` 1.x in a temporary folder, each write synced; end it by its process id.

    With ``settles_soon`` rows go to files after seconds without a write, not minutes.
    """
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    with tempfile.TemporaryDirectory(prefix="influxd-bench-") as name:
        folder = Path(name)
        port, rpc_port = _free_ports(2)
        config = folder / "influxdb.conf"
        config.write_text(
            _CONFIG.format(folder=folder, port=port, rpc_port=rpc_port, cold=_COLD if settles_soon else "")
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, "-config", str(config)], stdout=log, stderr=log)
        try:
            yield Target(
                f"influxd {version.lstrip('v').split('~')[0]}",
                _v1_url(_answering(f"http://127.0.0.1:{port}", process)),
                process.pid,
                folder,
            )
        finally:
            process.terminate()
            process.wait()


@contextmanager
def elsewhere(url: str, token: str = "") -> Iterator[Target]:
    """Use the server at ``url``, which somebody else runs.

    A URL with a path is where bodies are posted; of one without, ``/ping`` tells which API it has, and the database
    ``bench`` is made.
    """
    url = url.rstrip("/")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    name = urlsplit(url).netloc
    if urlsplit(url).path:
        yield Target(name, url, _process_at(url), None, headers)
        return
    version = httpx.get(f"{url}/ping", headers=headers).headers.get("x-influxdb-version", "")
    if version.lstrip("v").startswith("1."):
        write_url = _v1_url(url)
    else:
        httpx.post(f"{url}/api/v3/configure/database", json={"db": DATABASE}, headers=headers)
        write_url = _v3_url(url)
    yield Target(name, write_url, _process_at(url), None, headers)


def has_influxd() -> bool:
    """Return whether Debian's package ``influxdb`` is installed."""
    return shutil.which("influxd") is not None


def settled_bytes(folder: Path) -> int:
    """Return the size of ``folder`` on the disk when it has not changed for some seconds."""
    deadline = time.monotonic() + _MOST_SETTLING_S
    size, since = -1, time.monotonic()
    while time.monotonic() - since < _QUIET_S and time.monotonic() < deadline:
        now = disk_bytes(folder)
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.2)
    return size


def disk_bytes(folder: Path) -> int:
    """Return what the files below ``folder`` take up on the disk; one with two names counts once."""
    sizes = {}
    for path in folder.rglob("*"):
        try:
            facts = path.lstat()
        except FileNotFoundError:
            continue  # it went meanwhile
        sizes[facts.st_ino] = facts.st_blocks * 512
    return sum(sizes.values())


def _v1_url(url: str) -> str:
    httpx.post(f"{url}/query", params={"q": f"CREATE DATABASE {DATABASE}"}).raise_for_status()
    return f"{url}/write?db={DATABASE}&precision=ns"


def _v3_url(url: str) -> str:
    return f"{url}/api/v3/write_lp?db={DATABASE}&precision=nanosecond"


def _process_at(url: str) -> int | None:
    """Return the process that listens at ``url``, if it is on this machine and may be looked at."""
    parts = urlsplit(url)
    if parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return None
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return next((c.pid for c in listening if c.laddr and c.laddr.port == (parts.port or 80)), None)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _answering(url: str, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + _MOST_START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/ping").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return url
    raise SystemExit(f"influxd does not answer at {url}")
