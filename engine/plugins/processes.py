"""One process of a plugin host: how it is started, spoken to, ended, and how its end reads."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.host.allowance import Allowance
from engine.host.output import LEVELS
from engine.host.protocol import Stop
from engine.plugins.ports import SHARED_HOST, HostPlan
from engine.plugins.printed import Printed
from engine.plugins.usage import Gauge, own_memory_bytes, reserved_bytes
from engine.plugins.wire import Wire, encode_frame

SITE_FOLDERS = ("site-packages", "dist-packages")

HOST_OPTIONS = ("-u", "-X", "faulthandler")
HOST_MODULE = "engine.host.main"
HOST_COMMAND = (sys.executable, *HOST_OPTIONS, "-m", HOST_MODULE)

OOM_SCORE = "500"
LEAST_PRIORITY = 19
"""The kernel knows nothing nicer."""

START_NICENESS = 5
"""So much above the server's while a host loads what it needs: somebody may wait for it."""

NICENESS = 10
SUSPECT_NICENESS = 19
"""For those who have done harm before, or may be about to."""

FOREIGN_START = """\
import runpy, sys
sys.path += [path for path in {paths!r} if path not in sys.path]
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
"""Starts a host with the Python of another environment: what the server is made of comes after what is there."""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What a plugin host is started with.

    Attributes:
        environ: what the host gets a copy of: the server's environment.
        plugin_dir: told to plugins as ``INFLUXDB3_PLUGIN_DIR`` and, unless the server's environment has it, ``PLUGIN_DIR``.
        virtual_env: told to plugins as ``VIRTUAL_ENV``; it need not exist yet.
        command: the program; ``--fd N`` follows.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    plugin_dir: Path | None = None
    virtual_env: Path | None = None
    command: tuple[str, ...] = HOST_COMMAND

    def within(self, virtual_env: Path, module: str = HOST_MODULE) -> "HostConfig":
        """Return how a host, or another module, is started with the Python and the packages of ``virtual_env``."""
        start = FOREIGN_START.format(paths=[path for path in sys.path if path], module=module)
        command = (str(virtual_env / "bin" / "python"), "-P", *HOST_OPTIONS, "-c", start)
        return replace(self, virtual_env=virtual_env, command=command)


class HostProcess:
    """A plugin host from the wish for one to its end.

    ``send``, ``kill`` and ``stop`` may be called from any thread, at any time; to a host that is not there they do nothing.

    Attributes:
        number: which of the supervisor's hosts it is, for logs.
        tag: what its user calls it, ``None`` for a spare.
        plan: what its user wants of it; that of a spare may still change, but for its environment.
        is_suspect: whether it shall have the least priority.
        is_ready: whether it said that it has loaded what it needs.
        is_ended: whether somebody ended it; nothing it still says is heard.
        kill_at_ns: when it is to be ended by force, ``None`` = never.
        kill_for: for what it is to be ended then, ``None`` = its user's wish.
        fault: for what it was ended by force, ``None`` = its user's wish.
        wire: the connection, ``None`` before it was started.
        pid_fd: readable when it has ended, -1 before it was started.
        printed: what it prints, on standard output and on standard error.
        gauge: measures what it uses, ``None`` before it was started.
        was_killed: whether it was killed by somebody else than its user.
    """

    def __init__(self, number: int, plan: HostPlan = SHARED_HOST) -> None:
        self.number = number
        self.plan = plan
        self.tag: int | None = None
        self.is_suspect = False
        self.is_ready = False
        self.is_ended = False
        self.kill_at_ns: int | None = None
        self.kill_for: str | None = None
        self.fault: str | None = None
        self.wire: Wire | None = None
        self.pid_fd = -1
        self.printed: list[Printed] = []
        self.gauge: Gauge | None = None
        self.was_killed = False
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, ``None`` before it was started."""
        return self._popen.pid if self._popen else None

    def start(self, config: HostConfig, on_waiting: Callable[[], None]) -> None:
        """Start the process; call it from a thread that lives as long as the server (parent-death signal).

        Raises:
            OSError: the machine does not allow one more process.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                popen = self._popen_of(config, theirs.fileno())
            _set_niceness(popen.pid, START_NICENESS)
            _put_first_in_line_for_memory(popen.pid)
            self.pid_fd = _pid_fd_of(popen)
        except OSError:
            ours.close()
            raise
        with self._lock:
            self._popen, self.wire, self.gauge = popen, Wire(ours, on_waiting), Gauge(popen.pid)
        if self.is_ended:
            self.kill()

    def _popen_of(self, config: HostConfig, fd: int) -> "subprocess.Popen[bytes]":
        allowance = Allowance(time.monotonic_ns())
        with contextlib.ExitStack() as pipes:
            ends = []
            for level in LEVELS.values():
                ours, theirs = os.pipe()
                self.printed.append(Printed(ours, level, allowance))
                pipes.callback(os.close, theirs)
                ends.append(theirs)
            try:
                return subprocess.Popen(
                    (*config.command, "--fd", str(fd)),
                    pass_fds=(fd,),
                    env=host_environment(config),
                    stdin=subprocess.DEVNULL,
                    stdout=ends[0],
                    stderr=ends[1],
                    start_new_session=True,
                )
            except OSError:
                for printed in self.printed:
                    printed.close()
                raise

    def send(self, frame: bytearray | bytes) -> None:
        """Send a frame (``wire.encode_frame``) without waiting."""
        if self.wire is not None:
            self.wire.send(frame)

    def step_back(self) -> None:
        """Give the process, which is ready, its place behind the server, and behind other plugins if it is suspect."""
        with self._lock:
            if self._popen is not None and self._popen.returncode is None:
                _set_niceness(self._popen.pid, SUSPECT_NICENESS if self.is_suspect else NICENESS)

    def hold_memory(self) -> None:
        """Have the kernel refuse the process, and each that it starts, more memory than its plan allows.

        What a fresh host reserves without using it does not count: it may grow by what its plan leaves above what it uses.
        """
        most_bytes = self.plan.max_memory_bytes
        with self._lock:
            if most_bytes is None or self._popen is None or self._popen.returncode is not None:
                return
            with contextlib.suppress(OSError):  # it has ended just now
                pid = self._popen.pid
                wall = reserved_bytes(pid) + max(0, most_bytes - own_memory_bytes(pid))
                resource.prlimit(pid, resource.RLIMIT_DATA, (wall, wall))

    def kill(self) -> None:
        """End the process at once, with all that it started."""
        self.is_ended = True
        with self._lock:
            if self._popen is not None and self._popen.returncode is None:
                self._end_all(self._popen.pid)

    def stop(self, kill_at_ns: int) -> None:
        """Ask the process to end in good order, and end it by force at ``kill_at_ns`` (monotonic)."""
        self.is_ended = True
        if not self.is_ready:
            self.kill()
            return
        self.kill_at_ns = kill_at_ns
        self.send(encode_frame(Stop()))

    def reap(self) -> str:
        """Take the status of a process that has ended, end what it left behind, and return how it ended in words."""
        if self._popen is None:
            return "could not be started"
        with self._lock:
            self._end_all(self._popen.pid)
            status = self._popen.wait()
        os.close(self.pid_fd)
        if self.wire is not None:
            self.wire.close()
        was_killed = status == -signal.SIGKILL
        self.was_killed = was_killed and not self.fault and not self.is_ended
        return self.fault if self.fault and was_killed else exit_words(status)

    def _end_all(self, pid: int) -> None:
        """End the process group, and what left it."""
        if self.gauge is not None:
            self.gauge.end_strays()
        _end_group(pid)


def exit_words(status: int) -> str:
    """Return how a process ended, to be read after "the plugin host"; ``status`` as ``Popen.returncode``."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = f" ({signal.Signals(-status).name})"
    except ValueError:  # a signal without a name of its own
        name = ""
    return f"was killed by signal {-status}{name}"


def host_environment(config: HostConfig) -> dict[str, str]:
    """Return the environment of a host: the server's, in UTC, with the plugins' own places, and able to import ``engine``."""
    environment = dict(config.environ)
    environment["TZ"] = "UTC"
    if config.plugin_dir is not None:
        environment["INFLUXDB3_PLUGIN_DIR"] = str(config.plugin_dir)
        environment.setdefault("PLUGIN_DIR", str(config.plugin_dir))  # what many plugins ask for
    if config.virtual_env is not None:
        environment["VIRTUAL_ENV"] = str(config.virtual_env)
        environment["PATH"] = _joined(str(config.virtual_env / "bin"), environment.get("PATH", os.defpath))
    source = Path(__file__).resolve().parents[2]
    if source.name not in SITE_FOLDERS:
        environment["PYTHONPATH"] = _joined(str(source), environment.get("PYTHONPATH", ""))
    return environment


def _set_niceness(pid: int, above_ours: int) -> None:
    """Let the kernel prefer the server, which may be nice itself, when cores are short.

    Where the kernel groups processes by session, as on most desktops, niceness counts within a session only, and each
    session has one of its own.
    """
    niceness = min(LEAST_PRIORITY, os.getpriority(os.PRIO_PROCESS, 0) + above_ours)
    with contextlib.suppress(OSError):  # it has ended already, or a container does not allow it: it runs all the same
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def _put_first_in_line_for_memory(pid: int) -> None:
    """Let the kernel end the host rather than the server when memory is short."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(OOM_SCORE)


def _pid_fd_of(popen: "subprocess.Popen[bytes]") -> int:
    try:
        return os.pidfd_open(popen.pid)
    except OSError:
        popen.kill()
        popen.wait()
        raise


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # nothing of it is left
        os.killpg(group, signal.SIGKILL)


def _joined(first: str, rest: str) -> str:
    return f"{first}{os.pathsep}{rest}" if rest else first
