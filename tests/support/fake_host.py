"""A plugin host that speaks the protocol and does what the argument ``do`` of a run says; started as a program."""

import argparse
import contextlib
import itertools
import os
import signal
import socket
import threading
import time

import msgspec

from engine.host.channel import Channel
from engine.host.protocol import (
    BEAT_INTERVAL_S,
    Beat,
    Done,
    Entered,
    Forget,
    Interrupt,
    Log,
    NamespaceChange,
    Query,
    QueryReply,
    Ready,
    Run,
    RunError,
    Settle,
    StateValue,
    Stop,
    ToHost,
    WriteNow,
    WriteReply,
)


class FakeHost:
    """Runs each run in a thread of its own, and logs what it is told besides."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.channel = Channel(sock, msgspec.msgpack.Decoder(ToHost))
        self.replies: dict[int, QueryReply | WriteReply] = {}
        self.interrupts: dict[str, Interrupt] = {}
        self.changed = threading.Condition()
        self.last_run = ""
        self.call_ids = itertools.count(1)

    def serve(self) -> None:
        self.channel.send(Ready(os.getpid()))
        threading.Thread(target=self.beat, daemon=True).start()
        while (message := self.channel.receive()) is not None:
            match message:
                case Run():
                    self.last_run = message.run_id
                    threading.Thread(target=self.work, args=(message,), daemon=True).start()
                case Stop():
                    return
                case Settle() | Forget():
                    self.channel.send(Log(self.last_run, "INFO", repr(message)))
                case QueryReply() | WriteReply():
                    with self.changed:
                        self.replies[message.call_id] = message
                        self.changed.notify_all()
                case Interrupt():
                    with self.changed:
                        self.interrupts[message.run_id] = message
                        self.changed.notify_all()

    def beat(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # this end was closed on purpose
            while True:
                time.sleep(BEAT_INTERVAL_S)
                self.channel.send(Beat())

    def ask(self, call: Query | WriteNow) -> QueryReply | WriteReply:
        self.channel.send(call)
        with self.changed:
            self.changed.wait_for(lambda: call.call_id in self.replies)
            return self.replies[call.call_id]

    def log(self, run: Run, text: str) -> None:
        self.channel.send(Log(run.run_id, "INFO", text))

    def work(self, run: Run) -> None:
        args = run.args or {}
        if args.get("do") == "die loading":
            os._exit(3)
        self.channel.send(Entered(run.run_id))
        done = getattr(self, "do_" + args.get("do", "nothing").replace(" ", "_"))(run, args)
        if done is not None:
            self.channel.send(done)

    def do_nothing(self, run: Run, _args: dict[str, str]) -> Done:
        return Done(run.run_id, writes=[(None, "t f=1")])

    def do_pid(self, run: Run, _args: dict[str, str]) -> Done:
        self.log(run, str(os.getpid()))
        return Done(run.run_id)

    def do_environment(self, run: Run, args: dict[str, str]) -> Done:
        self.log(run, repr({name: os.environ.get(name) for name in args["names"].split()}))
        return Done(run.run_id)

    def do_state(self, run: Run, _args: dict[str, str]) -> Done:
        self.log(run, repr([(s.namespace, s.version, s.whole) for s in run.state]))
        value = StateValue("key", b"pickled")
        return Done(run.run_id, changes=[NamespaceChange(run.namespace, False, [value])])

    def do_query(self, run: Run, args: dict[str, str]) -> Done:
        reply = self.ask(Query(next(self.call_ids), run.run_id, None, args["sql"], {"p": 1}))
        self.log(run, repr(reply))
        return Done(run.run_id)

    def do_write(self, run: Run, args: dict[str, str]) -> Done:
        reply = self.ask(WriteNow(next(self.call_ids), run.run_id, "other", args["lines"], True))
        self.log(run, repr(reply))
        return Done(run.run_id)

    def do_leave_a_thread(self, run: Run, args: dict[str, str]) -> Done:
        threading.Timer(0.05, lambda: self.do_query(run, args)).start()
        return Done(run.run_id)

    def do_freeze(self, _run: Run, _args: dict[str, str]) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def do_loop(self, _run: Run, _args: dict[str, str]) -> None:
        threading.Event().wait()

    def do_wait_for_interrupt(self, run: Run, _args: dict[str, str]) -> Done:
        with self.changed:
            self.changed.wait_for(lambda: run.run_id in self.interrupts)
            interrupt = self.interrupts[run.run_id]
        return Done(run.run_id, error=RunError(interrupt.reason, interrupt.text))

    def do_wait_for_file(self, run: Run, args: dict[str, str]) -> Done:
        while not os.path.exists(args["path"]):  # noqa: PTH110 - no wish for more in a host that stands in
            time.sleep(0.005)
        return Done(run.run_id)

    def do_garbage(self, _run: Run, _args: dict[str, str]) -> None:
        self.socket.sendall(b"\x02\x00\x00\x00\xc1\xc1")

    def do_close(self, _run: Run, _args: dict[str, str]) -> None:
        self.socket.shutdown(socket.SHUT_WR)
        threading.Event().wait()

    def do_much(self, run: Run, args: dict[str, str]) -> Done:
        return Done(run.run_id, writes=[(None, "x" * int(args["bytes"]))])

    def do_tell_and_exit(self, run: Run, _args: dict[str, str]) -> None:
        self.channel.send(Done(run.run_id))
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    host = FakeHost(socket.socket(fileno=parser.parse_args().fd))
    try:
        host.serve()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
