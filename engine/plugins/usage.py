"""What a plugin host uses, with all that it started: memory, CPU time, processes – read from ``/proc``."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_READ = 300
"""Of a crowd of processes so many are looked at: that there are too many is known by then."""

_PIECE_BYTES = 1 << 16
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a host uses now.

    Attributes:
        memory_bytes: memory that is its own: pages of files, such as those of the log, do not count.
        cpu_ns: CPU time so far, that of children which it has waited for included.
        processes: the host itself and its descendants.
        threads: CPU time of the threads of the host itself by thread id; empty unless asked for.
        wants_cpu: whether one of these threads runs or waits for a core; false unless asked for.
    """

    memory_bytes: int
    cpu_ns: int
    processes: int
    threads: dict[int, int] = field(default_factory=dict)
    wants_cpu: bool = False


@dataclass(frozen=True, slots=True)
class _Process:
    """One process as ``stat`` shows it; ``began`` tells it from a later one with the same id."""

    pid: int
    group: int
    cpu_ns: int
    began: int


class Gauge:
    """Measures one host; remembers descendants that left its process group, for nothing else can end them with it.

    ``read`` may be called from one thread, ``end_strays`` from any.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._strays: dict[int, _Process] = {}

    def read(self, *, with_threads: bool = False) -> Usage | None:
        """Return what is used now, ``None`` if the host is gone."""
        found = list(self._tree())
        if not found:
            return None
        self._strays = {p.pid: p for p in (*self._strays.values(), *found) if p.group != self._pid and _is_there(p)}
        pids = {p.pid for p in found} | set(self._strays)
        of_threads = list(_threads_of(self._pid)) if with_threads else []
        threads = {number: cpu_ns for number, cpu_ns, _ in of_threads}
        wants_cpu = any(state == "R" for _, _, state in of_threads)
        cpu_ns = sum(p.cpu_ns for p in found)
        return Usage(sum(map(own_memory_bytes, pids)), cpu_ns, len(pids), threads, wants_cpu)

    def fair_memory_bytes(self) -> int:
        """Return the memory in use with pages that processes share counted once; slower than ``read``."""
        return sum(_fair_share_bytes(p.pid) for p in self._tree())

    def end_strays(self) -> None:
        """End descendants outside the host's process group."""
        for process in [*self._strays.values(), *self._tree()]:
            if process.group != self._pid and _is_there(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

    def _tree(self) -> Iterator[_Process]:
        todo, seen = [self._pid], 0
        while todo and seen < MOST_READ:
            seen += 1
            pid = todo.pop(0)
            process = _read_process(pid)
            if process is not None:
                yield process
                todo.extend(_children_of(pid))


def own_memory_bytes(pid: int) -> int:
    """Return the memory of a process without pages of files; 0 if it is gone."""
    fields = _read(f"/proc/{pid}/statm").split()
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES if fields else 0


def reserved_bytes(pid: int) -> int:
    """Return what the kernel counts against ``RLIMIT_DATA`` of a process; 0 if it is gone."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[5]) * _PAGE_BYTES if fields else 0


def _children_of(pid: int) -> list[int]:
    texts = [_read(f"/proc/{pid}/task/{task}/children") for task in _tasks_of(pid)]
    return [int(child) for text in texts for child in text.split()]


def _threads_of(pid: int) -> Iterator[tuple[int, int, str]]:
    for task in _tasks_of(pid):
        fields = _stat_fields(f"/proc/{pid}/task/{task}/stat")
        if fields:
            yield int(task), (int(fields[11]) + int(fields[12])) * _TICK_NS, fields[0]


def _tasks_of(pid: int) -> list[str]:
    try:
        with os.scandir(f"/proc/{pid}/task") as tasks:
            return [task.name for task in tasks]
    except OSError:  # it has ended
        return []


def _read_process(pid: int) -> _Process | None:
    fields = _stat_fields(f"/proc/{pid}/stat")
    if not fields:
        return None
    ticks = sum(int(text) for text in fields[11:15])
    return _Process(pid, int(fields[2]), ticks * _TICK_NS, int(fields[19]))


def _stat_fields(path: str) -> list[str]:
    """Return the fields of ``stat`` behind the command's name, which may hold anything; none if the process is gone."""
    return _read(path).rpartition(")")[2].split()


def _is_there(process: _Process) -> bool:
    now = _read_process(process.pid)
    return now is not None and now.began == process.began


def _fair_share_bytes(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1]) * 1024
    return own_memory_bytes(pid)


def _read(path: str) -> str:
    """Return a file of the kernel's, which comes in one piece; empty if its process has ended."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, _PIECE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
