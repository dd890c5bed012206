"""All plugin hosts of a server: one thread starts them and keeps a warm spare, another listens to them and reaps them."""

import contextlib
import logging
import os
import queue
import selectors
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from engine.clock import Clock
from engine.host.protocol import FromHost, Ready
from engine.plugins.ports import SHARED_HOST, HostPlan
from engine.plugins.printed import Printed
from engine.plugins.processes import HostConfig, HostProcess

logger = logging.getLogger(__name__)

TICK_NS = 50_000_000

STOP_NS = 2_000_000_000
"""What a host may take to end after it was told to."""

CLOSED_NS = 500_000_000
"""What a host that closed its connection may take to be gone: most were about to end."""

SPARE_RETRY_NS = 5_000_000_000
"""How long no new spare is started after one that did not get ready."""


class HostListener(Protocol):
    """Hears of hosts; all calls come from one thread, and what was said before an end is heard before it."""

    def host_ready(self, process: HostProcess) -> None:
        """Note that ``process``, which was obtained, takes runs now."""

    def host_said(self, process: HostProcess, message: FromHost) -> None:
        """Take a message (any but ``Ready``)."""

    def host_printed(self, process: HostProcess, level: str, text: str) -> None:
        """Take a line that ``process``, or what it started, printed, not through a run; ``level`` as for log lines."""

    def host_gone(self, process: HostProcess, words: str) -> None:
        """Note that ``process`` ended, by itself or not; ``words`` say how: ``exited with status 1``."""

    def tick(self, now_ns: int) -> None:
        """Do what time demands at ``now_ns`` (monotonic); called about every 50 ms, after all that was said until then."""


class Supervisor:
    """Starts, listens to and ends hosts; ``obtain`` and ``close`` may be called from any thread."""

    def __init__(self, config: HostConfig, clock: Clock, listener: HostListener) -> None:
        self._config = config
        self._clock = clock
        self._listener = listener
        self._lock = threading.Lock()
        self._numbers = 0
        self._spare: HostProcess | None = None
        self._wants_spare = False
        self._spare_not_before_ns = 0
        self._is_closing = False
        self._is_winding_up = False
        self._running: set[HostProcess] = set()
        self._to_start: queue.SimpleQueue[HostProcess | None] = queue.SimpleQueue()
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_fd, selectors.EVENT_READ, self._clear_wake)
        self._starter = threading.Thread(target=self._start_loop, name="plugin-host-starter", daemon=True)
        self._reader = threading.Thread(target=self._listen_loop, name="plugin-host-listener", daemon=True)

    @property
    def pids(self) -> list[int]:
        """The ids of all processes that run, the spare among them."""
        return [process.pid for process in list(self._running) if process.pid is not None]

    @property
    def has_spare(self) -> bool:
        """Whether a host is ready that nobody has obtained."""
        spare = self._spare
        return spare is not None and spare.is_ready

    def obtain(self, tag: int, plan: HostPlan = SHARED_HOST, *, is_suspect: bool = False) -> HostProcess:
        """Return a fresh host as ``plan`` wants it: the spare if there is one that fits, else one that is about to start.

        ``host_ready`` is called for it once, also if it is ready already; or ``host_gone``, if it never gets there.
        """
        with self._lock:
            if self._is_closing:
                raise RuntimeError("no hosts any more: the supervisor is closed")
            if self._numbers == 0:
                self._starter.start()
                self._reader.start()
            process = self._spare if plan.virtual_env is None else None
            if process is None:
                process = self._order(plan)
            else:
                self._spare = None
            process.tag, process.plan, process.is_suspect = tag, plan, is_suspect
            if process.is_ready:
                self._post(lambda: self._tell_ready(process))
                self._order_spare()
            return process

    def drop_spare(self) -> None:
        """End the spare, and start another one: what is importable has changed since it started."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.kill()

    def close(self) -> None:
        """End all hosts, politely and then by force; return when they and the threads are gone."""
        with self._lock:
            was_closing, self._is_closing = self._is_closing, True
            has_threads = self._numbers > 0
        if was_closing:
            return
        if has_threads:
            self._to_start.put(None)
            self._reader.join()
            self._starter.join()
        self._selector.close()
        os.close(self._wake_fd)

    # ---- starting: by one thread that lives as long as the server, for a host's parent-death signal belongs to it

    def _order(self, plan: HostPlan) -> HostProcess:
        self._numbers += 1
        process = HostProcess(self._numbers, plan)
        self._to_start.put(process)
        return process

    def _order_spare(self) -> None:
        is_due = self._clock.monotonic_ns() >= self._spare_not_before_ns
        if self._spare is None and is_due and not self._is_closing:
            self._spare = self._order(SHARED_HOST)

    def _start_loop(self) -> None:
        while (process := self._to_start.get()) is not None:
            self._start(process)
        self._post(self._wind_up)
        self._reader.join()

    def _start(self, process: HostProcess) -> None:
        config = self._config
        if process.plan.virtual_env is not None:
            config = config.within(process.plan.virtual_env)
        try:
            process.start(config, lambda: self._post(lambda: self._watch_writing(process)))
        except OSError as error:
            logger.error("plugin host not started host=%d reason=%s", process.number, error)
            self._post(lambda: self._gone(process))
        else:
            self._post(lambda: self._watch(process))

    # ---- listening

    def _listen_loop(self) -> None:
        next_tick_ns = 0
        while not (self._is_winding_up and not self._running):
            for key, mask in self._selector.select(TICK_NS / 1e9):
                self._guard(key.data, mask)
            while not self._posted.empty():
                self._guard(self._posted.get())
            now_ns = self._clock.monotonic_ns()
            if now_ns >= next_tick_ns:
                next_tick_ns = now_ns + TICK_NS
                self._guard(self._tick, now_ns)

    def _guard(self, call: Callable[..., None], *args: object) -> None:
        """Keep the loop alive, whatever a listener does."""
        try:
            call(*args)
        except Exception:
            logger.exception("plugin host listener failed")

    def _post(self, call: Callable[[], None]) -> None:
        """Have ``call`` made by the listening thread."""
        self._posted.put(call)
        os.eventfd_write(self._wake_fd, 1)

    def _clear_wake(self, _mask: int) -> None:
        os.eventfd_read(self._wake_fd)

    def _watch(self, process: HostProcess) -> None:
        self._running.add(process)
        self._selector.register(process.pid_fd, selectors.EVENT_READ, lambda _mask: self._gone(process))
        for printed in process.printed:
            self._selector.register(printed.fd, selectors.EVENT_READ, lambda _, p=printed: self._print(process, p))
        if process.wire is not None:
            self._selector.register(process.wire, selectors.EVENT_READ, lambda mask: self._serve(process, mask))

    def _watch_writing(self, process: HostProcess) -> None:
        if process in self._running and process.wire is not None and not process.wire.has_ended:
            key = self._selector.get_key(process.wire)
            self._selector.modify(process.wire, selectors.EVENT_READ | selectors.EVENT_WRITE, key.data)

    def _serve(self, process: HostProcess, mask: int) -> None:
        wire = process.wire
        if wire is None or wire.has_ended:
            return
        if mask & selectors.EVENT_WRITE and wire.flush():
            self._selector.modify(wire, selectors.EVENT_READ, self._selector.get_key(wire).data)
        if mask & selectors.EVENT_READ:
            self._hear(process)
            if wire.has_ended:
                self._selector.unregister(wire)
                self._end_soon(process, "closed its connection")

    def _hear(self, process: HostProcess) -> bool:
        """Take what the next bytes bring; return whether there were any."""
        try:
            messages = process.wire.receive() if process.wire is not None else None
        except msgspec.DecodeError as error:
            process.fault = f"sent what is no message ({error})"
            process.kill()
            return False
        for message in messages or ():
            if isinstance(message, Ready):
                self._ready(process)
            elif process.tag is not None and not process.is_ended:
                self._guard(self._listener.host_said, process, message)
        return messages is not None

    def _print(self, process: HostProcess, printed: Printed) -> None:
        lines = printed.read(self._clock.monotonic_ns())
        if lines is None:
            self._selector.unregister(printed.fd)
            printed.close()
        for line in lines or ():
            self._guard(self._listener.host_printed, process, printed.level, line)

    def _ready(self, process: HostProcess) -> None:
        with self._lock:
            process.is_ready = True
            self._wants_spare = True
            if process is self._spare:
                return
            self._order_spare()
        self._tell_ready(process)

    def _tell_ready(self, process: HostProcess) -> None:
        logger.debug("plugin host ready host=%d pid=%s", process.number, process.pid)
        process.hold_memory()
        process.step_back()
        self._listener.host_ready(process)

    def _gone(self, process: HostProcess) -> None:
        """Hear the last words of a process that has ended, and reap it."""
        if process in self._running:
            self._running.discard(process)
            self._selector.unregister(process.pid_fd)
            if process.wire is not None and not process.wire.has_ended:
                self._selector.unregister(process.wire)
        while self._hear(process):
            pass
        words = process.reap()
        self._print_last(process)
        with self._lock:
            if process is self._spare:
                self._spare = None
                self._spare_not_before_ns = self._clock.monotonic_ns() + SPARE_RETRY_NS
        if process.tag is not None:
            self._listener.host_gone(process, words)
        if not process.is_ended:
            logger.warning("plugin host ended host=%d pid=%s how=%r", process.number, process.pid, words)

    def _print_last(self, process: HostProcess) -> None:
        for printed in process.printed:
            with contextlib.suppress(KeyError, ValueError):  # closed already, or never watched
                self._selector.unregister(printed.fd)
            for line in printed.read_last(self._clock.monotonic_ns()):
                self._guard(self._listener.host_printed, process, printed.level, line)

    def _end_soon(self, process: HostProcess, fault: str) -> None:
        """Give a process that cannot be spoken to the time to end, which most are about to do."""
        if process.kill_at_ns is None and not process.is_ended:
            process.kill_for, process.kill_at_ns = fault, self._clock.monotonic_ns() + CLOSED_NS

    # ---- time

    def _tick(self, now_ns: int) -> None:
        for process in self._running:
            if process.kill_at_ns is not None and process.kill_at_ns <= now_ns:
                process.kill_at_ns, process.fault = None, process.kill_for
                process.kill()
        if self._wants_spare:
            with self._lock:
                self._order_spare()
        self._listener.tick(now_ns)

    def _wind_up(self) -> None:
        for process in self._running:
            process.stop(self._clock.monotonic_ns() + STOP_NS)
        self._is_winding_up = True
