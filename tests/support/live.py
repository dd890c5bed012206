"""Speaking with a real server: writes that are acknowledged or not, queries, triggers, its plugin hosts."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import psutil

from engine.model.trigger_options import OPTIONS
from tests.support.engines import eventually

_PATIENCE_S = 30.0
_AGAIN_S = 0.02
_HOST_MODULE = "engine.host.main"
_TRIGGERS = "/api/v3/configure/processing_engine_trigger"


class Client:
    """A client of one database of a server that may come and go; ``at`` moves it to where the server listens now."""

    def __init__(self, url: str, database: str) -> None:
        self.database = database
        self._http = httpx.Client(timeout=_PATIENCE_S)
        self._url = url

    def at(self, url: str) -> None:
        """Speak with the server at ``url`` from now on."""
        self._url = url

    def write(self, lines: str) -> bool:
        """Write line protocol with nanoseconds; return whether it was acknowledged.

        Raises:
            httpx.TimeoutException: there was neither an answer nor an end of the connection.
        """
        target = f"{self._url}/api/v3/write_lp?db={self.database}&precision=nanosecond"
        try:
            answer = self._http.post(target, content=lines)
        except httpx.TimeoutException:
            raise
        except httpx.TransportError:
            return False
        assert answer.status_code in (204, 503), answer.text
        return answer.status_code == 204

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query; none of a table that is not there yet."""
        body = {"db": self.database, "q": sql, "format": "json"}
        answer = self._http.post(f"{self._url}/api/v3/query_sql", json=body)
        if answer.status_code == 400 and "not found" in answer.text:
            return []
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def create_trigger(self, name: str, spec: str, plugin: str, **options: Any) -> None:
        """Make a trigger; ``options`` are the members of the request's body and of its settings."""
        settings = {"run_async": False, "error_behavior": "log"}
        for name_of_setting in ("run_async", "error_behavior", *(option.name for option in OPTIONS)):
            if name_of_setting in options:
                settings[name_of_setting] = options.pop(name_of_setting)
        names = {"db": self.database, "trigger_name": name, "plugin_filename": plugin, "trigger_specification": spec}
        body = names | {"trigger_settings": settings, "disabled": False} | options
        self._http.post(f"{self._url}{_TRIGGERS}", json=body).raise_for_status()

    def delete_trigger(self, name: str) -> None:
        """Delete a trigger, enabled or not."""
        params = {"db": self.database, "trigger_name": name, "force": "true"}
        self._http.delete(f"{self._url}{_TRIGGERS}", params=params).raise_for_status()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Send a request and return the answer, whatever it is; raises ``httpx.TransportError`` if there is none."""
        return self._http.request(method, f"{self._url}{path}", json=body)

    def post_text(self, path: str, text: str) -> httpx.Response:
        """Post a text; see ``call``."""
        return self._http.post(f"{self._url}{path}", content=text.encode())

    def rows_when(self, sql: str, is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the rows of a query as soon as there are enough."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = self.rows(sql)
            return is_enough(found)

        eventually(look, _PATIENCE_S)
        return found

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


class Writer(threading.Thread):
    """Writes numbered rows of one table, ``pause_s`` apart; what was not acknowledged is written again as it was.

    Only the field ``try`` differs then, for each try may be a record of the log that plugins rightly see.

    Attributes:
        acknowledged: the try with which each number was acknowledged.
        requests: how many requests were.
        slowest_s: the longest time that one of them took.
        round: what the rows say of when they were written.
    """

    def __init__(
        self, client: Client, table: str, number: int, sizes: Iterable[int], seed: int, *, pause_s: float = 0.0
    ) -> None:
        super().__init__(daemon=True, name=f"writer-{number}")
        self.client = client
        self.acknowledged: dict[int, int] = {}
        self.requests = 0
        self.slowest_s = 0.0
        self.round = 0
        self._table = table
        self._number = number
        self._sizes = tuple(sizes)
        self._pause_s = pause_s
        self._chance = random.Random(f"{seed}-{number}")
        self._enough = threading.Event()
        self._is_abandoned = False
        self.problem: BaseException | None = None

    def run(self) -> None:
        """Write until ``finish``."""
        try:
            while not self._enough.is_set():
                self._write_next()
                self._enough.wait(self._pause_s)
        except BaseException as error:
            self.problem = error
            raise

    def finish(self) -> None:
        """Write no more than what is under way."""
        self._enough.set()
        self.join(_PATIENCE_S)
        assert not self.is_alive(), f"{self.name} still waits for an acknowledgement"
        assert self.problem is None, f"{self.name}: {self.problem}"

    def abandon(self) -> None:
        """Write no more, acknowledged or not."""
        self._is_abandoned = True
        self._enough.set()
        if self.is_alive():
            self.join(_PATIENCE_S)

    def _write_next(self) -> None:
        numbers = range(len(self.acknowledged), len(self.acknowledged) + self._chance.choice(self._sizes))
        attempt, written_in, began_s = 0, self.round, time.monotonic()
        while not self.client.write("\n".join(self._line(n, attempt, written_in) for n in numbers)):
            attempt += 1
            self._enough.wait(_AGAIN_S)
            if self._is_abandoned:
                return
        self.acknowledged |= dict.fromkeys(numbers, attempt)
        self.requests += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)

    def _line(self, number: int, attempt: int, written_in: int) -> str:
        fields = f"number={number}i,try={attempt}i,round={written_in}i"
        return f"{self._table},writer=w{self._number} {fields} {1_700_000_000_000_000_000 + number * 1_000_000}"


def plugin_hosts(server_pid: int) -> list[int]:
    """Return the ids of the plugin hosts of a server, the spare among them."""
    found = []
    for child in psutil.Process(server_pid).children():
        try:
            if any(_HOST_MODULE in word for word in child.cmdline()):
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return sorted(found)
