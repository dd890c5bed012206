"""A real plugin host process, seen from where its server is."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec

from engine.host.channel import Channel
from engine.host.protocol import Beat, Done, Entered, FromHost, Log, Ready, Run
from tests.support.plugins import WAIT_S, plugin_file, plugin_run

ROOT = Path(__file__).parents[2]


class Host:
    """A plugin host as its server sees it."""

    def __init__(self, **environment: str) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(WAIT_S)
        self.process = subprocess.Popen(
            (sys.executable, "-m", "engine.host.main", "--fd", str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        self.channel: Channel[FromHost] = Channel(ours, msgspec.msgpack.Decoder(FromHost))
        assert self.next() == Ready(self.process.pid)

    def next(self) -> FromHost | None:
        """Return the next message that is no heartbeat."""
        while isinstance(message := self.channel.receive(), Beat):
            pass
        return message

    def take_entered(self, run: Run) -> None:
        """Hold that the next message tells that the function of ``run`` is called, in some thread."""
        message = self.next()
        assert isinstance(message, Entered), message
        assert message.run_id == run.run_id
        assert message.thread_id > 0

    def run(self, run: Run) -> list[FromHost]:
        """Return what ``run`` said, its end last."""
        self.channel.send(run)
        said = []
        while not isinstance(message := self.next(), Done):
            assert message is not None
            said.append(message)
        return [*said, message]

    def logs(self, folder: Path, body: str, name: str = "p.py") -> list[str]:
        """Return what a scheduled plugin with ``body`` logs."""
        code = "def process_scheduled_call(local, call_time, args=None):\n"
        said = self.run(plugin_run(plugin_file(folder, code + textwrap.indent(textwrap.dedent(body), "    "), name)))
        assert isinstance(said[-1], Done)
        assert said[-1].error is None, said[-1].error.text
        return [message.text for message in said if isinstance(message, Log)]

    def close(self) -> None:
        self.channel.close()
        self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
