"""Threads that runs take place in: jobs of one name never overlap, in the order in which they came."""

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

IDLE_S = 60.0
"""A named thread without work this long ends."""

Job = Callable[[], None]


class Lanes:
    """Daemon threads by name; may be used by any thread."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._idle: list[_Lane] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def submit(self, name: str, job: Job) -> None:
        """Run ``job`` in the thread called ``name`` after what that has to do already.

        If ``name`` is empty, the job has a thread to itself until it ends.
        """
        with self._lock:
            lane = self._lanes.get(name) if name else self._idle.pop() if self._idle else None
            if lane is None:
                lane = _Lane(name, queue.SimpleQueue())
                self._start(lane)
            lane.jobs.put(job)
            if self._is_closed:
                lane.jobs.put(None)

    def leave(self, name: str, job: Job) -> None:
        """Do not wait any longer for ``job``, if it is what the thread ``name`` is doing: the jobs behind it get a new thread."""
        with self._lock:
            lane = self._lanes.get(name)
            if lane is not None and lane.current == job:
                self._start(_Lane(name, lane.jobs))

    def close(self) -> None:
        """Let each thread end as soon as it has nothing to do."""
        with self._lock:
            self._is_closed = True
            for lane in (*self._lanes.values(), *self._idle):
                lane.jobs.put(None)

    def _start(self, lane: "_Lane") -> None:
        work = self._work_alone
        if lane.name:
            work = self._work
            self._lanes[lane.name] = lane
        threading.Thread(target=work, args=(lane,), name=f"plugin-{lane.name or 'run'}", daemon=True).start()

    def _work(self, lane: "_Lane") -> None:
        while self._lanes.get(lane.name) is lane:
            lane.current = lane.next()
            if lane.current is not None:
                _guarded(lane.current)
                lane.current = None
                continue
            with self._lock:
                if lane.jobs.empty() and self._lanes.get(lane.name) is lane:
                    del self._lanes[lane.name]

    def _work_alone(self, lane: "_Lane") -> None:
        while True:
            job = lane.next()
            if job is None:
                with self._lock:
                    if lane in self._idle:
                        self._idle.remove(lane)
                        return
                continue
            _guarded(job)
            del job
            with self._lock:
                if self._is_closed:
                    return
                self._idle.append(lane)


class _Lane:
    def __init__(self, name: str, jobs: "queue.SimpleQueue[Job | None]") -> None:
        self.name = name
        self.jobs = jobs
        self.current: Job | None = None

    def next(self) -> Job | None:
        """Return the next job, ``None`` if nothing came for a long time, or nothing will come."""
        try:
            return self.jobs.get(timeout=IDLE_S)
        except queue.Empty:
            return None


def _guarded(job: Job) -> None:
    try:
        job()
    except BaseException:
        logger.exception("a run ended without a word")
