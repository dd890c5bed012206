"""The plugin host process: ``python -m engine.host.main --fd N``, a child of the server on one end of a socket pair."""

import argparse
import ctypes
import fcntl
import gc
import io
import os
import resource
import signal
import site
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.clock import SystemClock
from engine.host import output
from engine.host.channel import Channel
from engine.host.link import Link
from engine.host.protocol import (
    BEAT_INTERVAL_S,
    Beat,
    Forget,
    Interrupt,
    PartReply,
    QueryReply,
    Ready,
    Run,
    Settle,
    Stop,
    ToHost,
    WriteReply,
)
from engine.host.runner import Runner
from engine.huge_pages import allow_huge_pages
from engine.lineprotocol import builder

PR_SET_PDEATHSIG = 1
FIRST_FD = 900
SWITCH_INTERVAL_S = 0.001
"""How long a plugin that computes keeps the others waiting: five times less than usual, for latency across triggers."""

STOP_GRACE_S = 1.5
"""What atexit handlers of plugins' libraries get after ``Stop``; threads that they left behind are not waited for longer."""

SHOWN_IN_MAIN = ("LineBuilder", "InfluxDBError", "InvalidMeasurementError", "InvalidKeyError", "InvalidLineError")


def open_channel(sock: socket.socket) -> Channel[ToHost]:
    """Return our end of the connection to the server."""
    return Channel(sock, msgspec.msgpack.Decoder(ToHost))


def main(connect: Callable[[socket.socket], Channel[ToHost]] = open_channel) -> None:
    """Serve until the server says ``Stop`` or is gone."""
    parser = argparse.ArgumentParser(description="Runs plugins; started by the server only.")
    parser.add_argument("--fd", type=int, required=True, help="our end of the socket pair")
    sock = socket.socket(fileno=_out_of_the_way(parser.parse_args().fd))
    _die_with(sock)
    _be_ordinary()
    _enter_environment(os.environ.get("VIRTUAL_ENV"))
    serve(connect(sock))


def serve(channel: Channel[ToHost]) -> None:
    """Tell that this process is ready, and do what comes, until ``Stop``; end the process when the server is gone."""
    link = Link(channel)
    output.capture()
    os.register_at_fork(after_in_child=link.abandon)
    runner = Runner(SystemClock())
    gc.freeze()  # what is loaded by now stays: garbage collection need not look at it for each large batch
    link.send(Ready(os.getpid()))
    threading.Thread(target=_beat, args=(link,), name="plugin-host-beat", daemon=True).start()
    while not isinstance(message := link.receive(), Stop):
        _do(message, runner, link)
    last_word = threading.Timer(STOP_GRACE_S, os._exit, (0,))
    last_word.daemon = True
    last_word.start()


def _do(message: ToHost, runner: Runner, link: Link) -> None:
    match message:
        case Run():
            services = link.services(message.run_id, message.namespace)
            runner.start(message, services, services.end)
        case QueryReply() | WriteReply() | PartReply():
            link.take_reply(message)
        case Settle():
            runner.settle(message)
        case Interrupt():
            runner.interrupt(message)
            link.release(message)
        case Forget():
            runner.forget(message.namespace)
            link.forget(message.namespace)


def _beat(link: Link) -> None:
    while True:
        link.send(Beat())
        time.sleep(BEAT_INTERVAL_S)


def _out_of_the_way(fd: int) -> int:
    """Return the descriptor under a high number: a plugin that closes what it finds and opens a file must not get ours."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(FIRST_FD, most - 1))
    os.close(fd)
    return high


def _die_with(sock: socket.socket) -> None:
    """Have the kernel end this process with the one that made the socket pair, our parent; end now if it has gone already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    server = struct.unpack("3i", credentials)[0]
    if server and os.getppid() != server:
        sys.exit("the server that started this plugin host is gone")


def _be_ordinary() -> None:
    """Be what plugins expect of a process: UTC, default signals, lines of output at once, nothing importable by accident."""
    allow_huge_pages(True)  # the server refuses them for itself
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    os.environ["TZ"] = "UTC"
    time.tzset()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    here = str(Path.cwd())
    if sys.path and sys.path[0] == here and not sys.flags.safe_path:
        del sys.path[0]  # put there by ``python -m``: the server's working directory
    for name in SHOWN_IN_MAIN:
        setattr(sys.modules["__main__"], name, getattr(builder, name))


def _enter_environment(virtual_env: str | None) -> None:
    """Make the plugins' packages importable, after all that is there already, now and when the folder comes later."""
    if not virtual_env:
        return
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(virtual_env, "lib", version, "site-packages")
    if str(packages) not in sys.path:
        site.addsitedir(str(packages))
        if str(packages) not in sys.path:
            sys.path.append(str(packages))
    sys.prefix = sys.exec_prefix = virtual_env


if __name__ == "__main__":
    main()
