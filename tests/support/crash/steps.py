"""The named steps at which servers and plugin hosts end in the crash test."""

import random
from dataclasses import dataclass

from tests.support.crash.fuse import Step, When

BEFORE_AFTER: tuple[When, ...] = ("before", "after")
ALL: tuple[When, ...] = ("before", "half", "after")


@dataclass(frozen=True)
class Place:
    """Where a process may end; ``needs`` is what the test has to do so that it gets there: an action, or nothing."""

    who: str
    word: str
    to: str
    whens: tuple[When, ...] = ("before",)
    most: int = 1
    needs: str = ""

    def step(self, chance: random.Random) -> Step:
        """Return one of the steps here."""
        return Step(self.who, self.word, self.to, chance.choice(self.whens), chance.randint(1, self.most))


RUNNING = (
    Place("server", "write_at", "wal", ALL, 40),
    Place("server", "write_at", "wal", ALL, 40),
    Place("server", "sync", "wal", BEFORE_AFTER, 40),
    Place("server", "open_append", "wal", BEFORE_AFTER, needs="snapshot"),
    Place("server", "sync_folder", "wal", BEFORE_AFTER, needs="snapshot"),
    Place("server", "truncate", "wal", BEFORE_AFTER, needs="snapshot"),
    Place("server", "write", "parquet", ALL, 8, needs="snapshot"),
    Place("server", "sync_file", "parquet", BEFORE_AFTER, 8, needs="snapshot"),
    Place("server", "sync_folder", "parquet", BEFORE_AFTER, 4, needs="snapshot"),
    Place("server", "write", "checkpoints", ALL, needs="snapshot"),
    Place("server", "sync_folder", "checkpoints", BEFORE_AFTER, needs="snapshot"),
    Place("server", "write", "manifest", ALL, needs="snapshot"),
    Place("server", "sync_file", "manifest", BEFORE_AFTER, needs="snapshot"),
    Place("server", "replace", "manifest", BEFORE_AFTER, needs="snapshot"),
    Place("server", "remove", "parquet", BEFORE_AFTER, 4, needs="snapshot"),
    Place("server", "remove", "checkpoints", BEFORE_AFTER, needs="snapshot"),
    Place("server", "remove", "wal", BEFORE_AFTER, needs="snapshot"),
    Place("server", "write", "catalog", ALL, needs="command"),
    Place("server", "sync_file", "catalog", BEFORE_AFTER, needs="edit"),
    Place("server", "replace", "catalog", BEFORE_AFTER, needs="command"),
    Place("server", "link", "backfills", BEFORE_AFTER, needs="backfill"),
    Place("server", "write", "backfills", ALL, needs="backfill"),
    Place("server", "remove_folder", "backfills", BEFORE_AFTER, needs="backfill"),
    Place("host", "receive", "Run", ("before",), 40),
    Place("host", "send", "Entered", BEFORE_AFTER, 40),
    Place("host", "send", "Done", BEFORE_AFTER, 40),
    Place("host", "receive", "Settle", ("before",), 40),
    Place("host", "send", "WriteNow", BEFORE_AFTER),
    Place("host", "receive", "WriteReply"),
    Place("host", "send", "Query", BEFORE_AFTER),
    Place("host", "receive", "QueryReply"),
    Place("host", "send", "Log", BEFORE_AFTER),
    Place("host", "send", "Ready", BEFORE_AFTER, needs="new host"),
    Place("host", "receive", "Interrupt", needs="edit"),
)
STARTING = (
    Place("server", "open_append", "wal", BEFORE_AFTER, 2),
    Place("server", "truncate", "wal", BEFORE_AFTER),
    Place("server", "write_at", "wal", ALL, 3),
    Place("server", "sync", "wal", BEFORE_AFTER, 3),
    Place("server", "sync_folder", "wal", BEFORE_AFTER),
    Place("server", "remove", "wal", BEFORE_AFTER),
    Place("server", "remove", "parquet", BEFORE_AFTER),
    Place("server", "remove", "checkpoints", BEFORE_AFTER),
    Place("server", "remove_folder", "file-sets", BEFORE_AFTER),
    Place("host", "send", "Ready", BEFORE_AFTER),
)
