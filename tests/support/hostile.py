"""Plugins that do harm, each with what its run has to end as: shared by the tests of innocents beside them and by chaos."""

import textwrap
from dataclasses import dataclass, field
from typing import Any

HEAD = """
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time


def process_writes(influxdb3_local, table_batches, args=None):
"""

FREEZE_TIMEOUT_S = 1.5
"""With this the freeze timeout of a server is set, so that a held interpreter is noticed soon."""


@dataclass(frozen=True)
class Deed:
    """What a plugin does, and what the record of its run has to say of it.

    Attributes:
        ends_host: it takes the plugin host with it.
        starves: others in its host get no turn before that, not even to say that they began.
        options: limits of its trigger.
        may_freeze: on a busy machine its host may seem frozen before it is caught at what it does.
    """

    body: str
    outcome: str
    reason: str = ""
    ends_host: bool = False
    starves: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    may_freeze: bool = False

    def is_told_by(self, outcome: str, error: str) -> bool:
        """Return whether the record of its run says what happened."""
        if self.may_freeze and outcome == "crash" and "gave no sign of life" in error:
            return True
        return outcome == self.outcome and self.reason in error

    @property
    def code(self) -> str:
        """The plugin's file."""
        return HEAD + textwrap.indent(textwrap.dedent(self.body).strip() + "\n", "    ")


_STUBBORN = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
_DEADLOCK = """
first, second = threading.Lock(), threading.Lock()
second.acquire()
def other():
    with first:
        second.acquire()
thread = threading.Thread(target=other)
thread.start()
thread.join()
"""
_IGNORES_SIGNALS = """
for number in range(1, 65):
    ctypes.CDLL(None).signal(number, 1)
""" + _STUBBORN.lstrip()
_LEAVES_THREADS = """
for _ in range(20):
    threading.Thread(target=time.sleep, args=(600,)).start()
"""
_LEAVES_A_MINE = """
threading.Timer(0.05, os._exit, (7,)).start()
time.sleep(0.02)
"""
_PRINTS = """
for _ in range(500):
    print("x" * 1000 + "\\n", end="" if _ % 2 else "\\n")
    sys.stderr.write("y" * 100_000)
os.write(1, b"z" * 1_000_000)
"""
_EATS = "kept = [bytearray(1 << 28) for _ in range(40)]"

_TIMEOUT = {"timeout_s": 0.5}
_CPU = {"max_cpu_s": 0.2}
_PASSED = "passed its timeout of 0.5 s"
_BURNT = "more than its limit of 0.2 s"
_MEMORY = {"max_memory_bytes": 256 << 20}

DEEDS = {
    "endless-loop": Deed("while True: pass", "timeout", _PASSED, options=_TIMEOUT),
    "loop-that-catches-everything": Deed(_STUBBORN, "timeout", _PASSED, True, True, options=_TIMEOUT),
    "loop-in-c-code": Deed("sum(range(10**12))", "cpu", _BURNT, options=_CPU, may_freeze=True),
    "catastrophic-regex": Deed("re.match('(a+)+$', 'a' * 60 + 'b')", "cpu", _BURNT, options=_CPU, may_freeze=True),
    "held-gil": Deed("ctypes.PyDLL(None).sleep(1000)", "crash", "gave no sign of life for", True, True),
    "deadlock": Deed(_DEADLOCK, "timeout", _PASSED, True, options=_TIMEOUT),
    "os-exit": Deed("os._exit(1)", "crash", "exited with status 1", True),
    "segfault": Deed("ctypes.string_at(0)", "crash", "SIGSEGV", True),
    "kills-itself": Deed("os.kill(os.getpid(), 9)", "crash", "SIGKILL", True),
    "closed-descriptors": Deed("os.closerange(0, 4096)", "crash", "exited with status 0", True, True),
    "fork-bomb": Deed("while True: os.fork()", "processes", "processes at a time", True, True, may_freeze=True),
    "ten-gigabytes": Deed(_EATS, "memory", "may use at most 256 MB", options=_MEMORY),
    "sys-exit": Deed("sys.exit()", "error", "SystemExit"),
    "base-exception": Deed("raise type('Odd', (BaseException,), {})('odd')", "error", "Odd: odd"),
    "deep-recursion": Deed("f = lambda: f()\nf()", "error", "RecursionError"),
    "ignored-signals": Deed(_IGNORES_SIGNALS, "timeout", _PASSED, True, True, options=_TIMEOUT),
    "threads-left-behind": Deed(_LEAVES_THREADS, "success"),
    "fifty-megabytes-printed": Deed(_PRINTS, "success"),
    "fifty-megabytes-logged": Deed("for _ in range(50_000): influxdb3_local.info('x' * 1000)", "success"),
}
"""By name; each ends as it does whatever else runs."""

MINE = Deed(_LEAVES_A_MINE, "success", ends_host=True)
"""A plugin whose run succeeds, and whose host dies a moment later."""
