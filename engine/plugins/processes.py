"""One process of a plugin host: how it is started, spoken to, ended, and how its end reads."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.host.protocol import Stop
from engine.plugins.wire import Wire, encode_frame

SITE_FOLDERS = ("site-packages", "dist-packages")

HOST_COMMAND = (sys.executable, "-u", "-X", "faulthandler", "-m", "engine.host.main")


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What a plugin host is started with.

    Attributes:
        environ: what the host gets a copy of: the server's environment.
        plugin_dir: told to plugins as ``INFLUXDB3_PLUGIN_DIR``.
        virtual_env: told to plugins as ``VIRTUAL_ENV``; it need not exist yet.
        command: the program; ``--fd N`` follows.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    plugin_dir: Path | None = None
    virtual_env: Path | None = None
    command: tuple[str, ...] = HOST_COMMAND


class HostProcess:
    """A plugin host from the wish for one to its end.

    ``send``, ``kill`` and ``stop`` may be called from any thread, at any time; to a host that is not there they do nothing.

    Attributes:
        number: which of the supervisor's hosts it is, for logs.
        tag: what its user calls it, ``None`` for a spare.
        is_ready: whether it said that it has loaded what it needs.
        is_ended: whether somebody ended it; nothing it still says is heard.
        kill_at_ns: when it is to be ended by force, ``None`` = never.
        kill_for: for what it is to be ended then, ``None`` = its user's wish.
        fault: for what it was ended by force, ``None`` = its user's wish.
        wire: the connection, ``None`` before it was started.
        pid_fd: readable when it has ended, -1 before it was started.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.tag: int | None = None
        self.is_ready = False
        self.is_ended = False
        self.kill_at_ns: int | None = None
        self.kill_for: str | None = None
        self.fault: str | None = None
        self.wire: Wire | None = None
        self.pid_fd = -1
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, ``None`` before it was started."""
        return self._popen.pid if self._popen else None

    def start(self, config: HostConfig, environment: dict[str, str], on_waiting: Callable[[], None]) -> None:
        """Start the process; call it from a thread that lives as long as the server (parent-death signal).

        Raises:
            OSError: the machine does not allow one more process.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                popen = subprocess.Popen(
                    (*config.command, "--fd", str(theirs.fileno())),
                    pass_fds=(theirs.fileno(),),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self.pid_fd = _pid_fd_of(popen)
        except OSError:
            ours.close()
            raise
        with self._lock:
            self._popen, self.wire = popen, Wire(ours, on_waiting)
        if self.is_ended:
            self.kill()

    def send(self, frame: bytearray | bytes) -> None:
        """Send a frame (``wire.encode_frame``) without waiting."""
        if self.wire is not None:
            self.wire.send(frame)

    def kill(self) -> None:
        """End the process at once, with all that it started."""
        self.is_ended = True
        with self._lock:
            if self._popen is not None and self._popen.returncode is None:
                _end_group(self._popen.pid)

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
            _end_group(self._popen.pid)
            status = self._popen.wait()
        os.close(self.pid_fd)
        if self.wire is not None:
            self.wire.close()
        was_killed = status == -signal.SIGKILL
        return self.fault if self.fault and was_killed else exit_words(status)


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
    if config.virtual_env is not None:
        environment["VIRTUAL_ENV"] = str(config.virtual_env)
        environment["PATH"] = _joined(str(config.virtual_env / "bin"), environment.get("PATH", os.defpath))
    source = Path(__file__).resolve().parents[2]
    if source.name not in SITE_FOLDERS:
        environment["PYTHONPATH"] = _joined(str(source), environment.get("PYTHONPATH", ""))
    return environment


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
