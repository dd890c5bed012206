"""What people do while servers and hosts are killed: they edit, ask, fill in, retry, and know what they were promised.

An action may find the server gone at any of its steps (``GONE``); it is then begun again, so all of them can be repeated.
"""

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.crash.catalog_file import CatalogFile
from tests.support.crash.plugins import is_poisonous
from tests.support.live import Client

TRIGGERS = "/api/v3/configure/processing_engine_trigger"
LONGEST_STEP_S = 1.0
_LOOK_S = 0.05
_AGAIN_S = 0.02
_ASK_EVERY_S = 0.01

Key = tuple[str, int]
"""Writer and number of a row."""


class Unanswered(Exception):
    """The server did not acknowledge."""


GONE = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, Unanswered)
"""What may become of an action while the server is killed."""


def state_of(client: Client, trigger: str) -> dict[str, Any]:
    """Return how far a trigger is, nothing if it is not there."""
    sql = f"SELECT * FROM system.processing_engine_trigger_state WHERE trigger_name = '{trigger}'"
    return next(iter(client.rows(sql)), {})


def _within_a_step(condition: Callable[[], bool]) -> bool:
    """Return whether something becomes true soon; if not, the next round looks again."""
    deadline_s = time.monotonic() + LONGEST_STEP_S
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        pause.wait(_LOOK_S)
    return True


class Rows:
    """Rows of one table that one person writes; each is written again, with the next ``try``, until it is acknowledged.

    Attributes:
        acknowledged: the try with which each row was.
    """

    def __init__(self, client: Client, table: str) -> None:
        self.acknowledged: dict[Key, int] = {}
        self._client = client
        self._table = table
        self._tries: dict[Key, int] = {}

    def write(self, writer: str, numbers: range) -> None:
        """Write those of the rows that were not acknowledged yet, in one request."""
        keys = [(writer, n) for n in numbers if (writer, n) not in self.acknowledged]
        if not keys:
            return
        lines = [
            f"{self._table},writer={writer} number={n}i,try={self._tries.get((writer, n), 0)}i,round=0i {n + 1}"
            for _, n in keys
        ]
        if not self._client.write("\n".join(lines)):
            for key in keys:
                self._tries[key] = self._tries.get(key, 0) + 1
            raise Unanswered
        self.acknowledged |= {key: self._tries.get(key, 0) for key in keys}


class Guests:
    """Triggers that come, pause, go on and leave by edits of the file; they get what is written while they are on.

    Attributes:
        wanted: rows that were written while the trigger was on; ``unwanted``: while it was off.
    """

    TABLE = "guests"
    ROWS = 12

    def __init__(self, client: Client, file: CatalogFile) -> None:
        self.wanted: dict[Key, int] = {}
        self.unwanted: dict[Key, int] = {}
        self.visits = 0
        self._client = client
        self._file = file
        self._rows = Rows(client, self.TABLE)
        self._steps: list[Callable[[], bool]] = []

    def advance(self) -> None:
        """Go on with the visit as far as it goes."""
        if not self._steps:
            self._plan()
        while self._steps and self._steps[0]():
            del self._steps[0]

    def _plan(self) -> None:
        name = f"guest_{self.visits}"
        self.visits += 1
        self._steps = [
            lambda: self._edit(not self._file.has(name), lambda: self._enter(name)),
            lambda: self._is_on(name, wanted=True),
            lambda: self._write(name, 1, self.wanted),
            lambda: self._is_idle(name),
            lambda: self._edit(True, lambda: self._file.set_enabled(name, enabled=False)),
            lambda: self._is_on(name, wanted=False),
            lambda: self._write(name, 2, self.unwanted),
            lambda: self._edit(True, lambda: self._file.set_enabled(name, enabled=True)),
            lambda: self._is_on(name, wanted=True),
            lambda: self._write(name, 3, self.wanted),
            lambda: self._is_idle(name),
            lambda: self._edit(self._file.has(name), lambda: self._file.remove(name)),
            lambda: self._is_on(name, wanted=False),
            lambda: self._write(name, 4, self.unwanted),
        ]

    def _edit(self, needed: bool, edit: Callable[[], None]) -> bool:
        if needed:
            edit()
        return True

    def _enter(self, name: str) -> None:
        self._file.add(name, f"table:{self.TABLE}", "relay.py", {"to": f"of_{name}", "counts": "1"})

    def _is_on(self, name: str, *, wanted: bool) -> bool:
        return _within_a_step(lambda: (state_of(self._client, name).get("position") is not None) == wanted)

    def _is_idle(self, name: str) -> bool:
        return _within_a_step(lambda: state_of(self._client, name).get("lag_rows") == 0)

    def _write(self, name: str, part: int, into: dict[Key, int]) -> bool:
        self._rows.write(f"{name}-{part}", range(self.ROWS))
        into |= {key: t for key, t in self._rows.acknowledged.items() if key[0] == f"{name}-{part}"}
        return True


class Stock:
    """Rows that are written in portions, and sent through their trigger once more by backfills.

    Attributes:
        rows: all of them; number ``n`` was written before all with higher numbers, and is in each later backfill.
        earlier: so many were there before the trigger.
    """

    TABLE, TRIGGER = "stock", "stock"
    PORTION, MOST, BATCH_ROWS = 30, 600, 15
    WRITER = "stock"

    def __init__(self, client: Client) -> None:
        self.rows = Rows(client, self.TABLE)
        self.earlier = 0
        self._client = client
        self._known: set[int] = set()
        self._written = 0
        self._turn_of_rows = True

    def advance(self) -> None:
        """Write a portion, or begin a backfill if none goes on."""
        if self._turn_of_rows and self._written < self.MOST:
            self.rows.write(self.WRITER, range(self._written + self.PORTION))
            self._written += self.PORTION
            self._turn_of_rows = False
            return
        present = self.backfills()
        if {b["backfill_id"] for b in present} != self._known:
            self._known = {b["backfill_id"] for b in present}
            self._turn_of_rows = True
        elif all(b["state"] != "running" for b in present):
            body = {"db": self._client.database, "trigger_name": self.TRIGGER, "batch_rows": self.BATCH_ROWS}
            answer = self._client.call("POST", f"{TRIGGERS}/backfill", body)
            if answer.status_code == 503:
                return
            assert answer.status_code == 200, answer.text
            self._known.add(answer.json()["backfill_id"])
            self._turn_of_rows = True

    def backfills(self) -> list[dict[str, Any]]:
        """Return those that were begun."""
        return self._client.rows(
            "SELECT backfill_id, state, rows_total, rows_done FROM system.processing_engine_backfills"
        )


class Mending:
    """Mends ``picky.py`` for more and more rows, by an edit of its argument, and retries letters of these."""

    TRIGGER = "odd"
    CHOSEN = 3

    def __init__(self, client: Client, file: CatalogFile, chance: random.Random) -> None:
        self.mended = 0
        self._client = client
        self._file = file
        self._chance = chance

    def advance(self) -> None:
        """Mend what some open letters need, and retry them; the answer may get lost."""
        letters = self.letters()
        if not letters:
            return
        chosen = self._chance.sample(letters, min(self.CHOSEN, len(letters)))
        poisonous = [n for letter in chosen for n in numbers_of(letter) if is_poisonous(n)]
        if not self.mend_below(max([self.mended, *(n + 1 for n in poisonous)])):
            return
        self.retry({"ids": [letter["id"] for letter in chosen]})

    def mend_below(self, number: int) -> bool:
        """Let all rows with lower numbers pass; return whether the server has taken that in."""
        self.mended = number
        self._file.set_arguments(self.TRIGGER, {"mended": str(number)})
        return _within_a_step(lambda: self._client_arguments().get("mended") == str(number))

    def retry(self, which: dict[str, Any]) -> list[dict[str, Any]]:
        """Retry letters; return what became of each, nothing if the server could not."""
        body = {"db": self._client.database, "trigger_name": self.TRIGGER} | which
        answer = self._client.call("POST", f"{TRIGGERS}/dead_letters/retry", body)
        if answer.status_code in (404, 409, 503):
            return []  # done with meanwhile, or the trigger is being changed
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def letters(self) -> list[dict[str, Any]]:
        """Return the open letters."""
        sql = "SELECT id, trigger_name, rows, error, input FROM system.processing_engine_dead_letters"
        return [row for row in self._client.rows(sql) if row["trigger_name"] == self.TRIGGER]

    def _client_arguments(self) -> dict[str, str]:
        sql = f"SELECT * FROM system.processing_engine_trigger_arguments WHERE trigger_name = '{self.TRIGGER}'"
        return {row["argument_key"]: row["argument_value"] for row in self._client.rows(sql)}


def numbers_of(letter: dict[str, Any]) -> list[int]:
    """Return the numbers of the rows in a letter."""
    return [row["number"] for row in json.loads(letter["input"])["rows"]]


class Asker(threading.Thread):
    """Sends requests to a trigger, one after another.

    Attributes:
        answered: what the plugin counted, by name of the request.
        refused: names of those that were told that nothing came of them.
        unsure: names of those that got no answer.
    """

    def __init__(self, client: Client, path: str, number: int) -> None:
        super().__init__(daemon=True, name=f"asker-{number}")
        self.client = client
        self.answered: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.unsure: set[str] = set()
        self.problem: BaseException | None = None
        self._path = path
        self._number = number
        self._enough = threading.Event()

    def run(self) -> None:
        """Ask until ``finish``."""
        count = 0
        try:
            while not self._enough.wait(_ASK_EVERY_S):
                count += 1
                self._ask(f"{self._number}-{count}")
        except BaseException as error:
            self.problem = error
            raise

    def finish(self) -> None:
        """Ask no more than what is under way."""
        self._enough.set()
        self.join(60)
        assert not self.is_alive(), f"{self.name} still waits for an answer"
        assert self.problem is None, f"{self.name}: {self.problem}"

    def abandon(self) -> None:
        """Ask no more, answered or not."""
        self._enough.set()
        if self.is_alive():
            self.join(60)

    def _ask(self, name: str) -> None:
        try:
            answer = self.client.post_text(self._path, name)
        except GONE:
            self.unsure.add(name)
            self._enough.wait(_AGAIN_S)
            return
        if answer.status_code == 200:
            self.answered[name] = answer.json()["counted"]
        else:
            self.refused[name] = f"{answer.status_code} {answer.text[:200]}"
            self._enough.wait(_AGAIN_S)
