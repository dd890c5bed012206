"""Dead letters in the hands of people: run them again, or throw them away."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from engine.catalog.state import INTERNAL_DATABASE, CatalogState, Database
from engine.clock import Clock
from engine.errors import AlreadyExists, DatabaseNotFound, EngineError, InvalidRequest, NotFound
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_spec import run_kind
from engine.storage.schemas import Schemas
from engine.triggers.activation import Activation
from engine.triggers.dead_letters import DELETED, done_with_lines
from engine.triggers.ends import RetriedLetter, RetryResult
from engine.triggers.journal import RowsMaker
from engine.triggers.letter_store import LetterContent, LetterHead, LetterStore, batch_of
from engine.triggers.work import Work
from engine.wal.format import RowsRecord
from engine.wal.ports import Entry
from engine.wal.wal import Wal

MOST_DELETED_AT_ONCE = 1000


class Triggers(Protocol):
    """Knows what runs."""

    def activation(self, trigger_id: int) -> Activation | None:
        """Return a trigger that is on."""

    def check_on(self) -> None:
        """Raise ``EngineOff`` if nothing runs here."""


class LetterBox:
    """Retries and deletes dead letters; both wait until it is done, and no letter is in two hands at once."""

    def __init__(self, store: LetterStore, triggers: Triggers, schemas: Schemas, rows: RowsMaker, wal: Wal) -> None:
        self._store = store
        self._triggers = triggers
        self._schemas = schemas
        self._rows = rows
        self._wal = wal
        self._lock = threading.Lock()
        self._taken: set[int] = set()

    def retry(self, catalog: CatalogState, database: str, name: str, ids: Sequence[str] | None) -> list[RetryResult]:
        """Run letters of a trigger again by its present plugin, one after another, the oldest first.

        What a run writes is committed together with the end of its letter. ``ids`` ``None`` = all of them.

        Raises:
            NotFound: there is no such database, trigger or letter.
            AlreadyExists: the trigger is disabled.
            InvalidRequest: an id that is none; a letter of another kind of trigger.
        """
        found = _database(catalog, database)
        definition = found.trigger(name)
        if definition is None:
            raise NotFound(f"trigger '{name}' was not found in database '{database}'")
        self._activation(definition)
        letters = self._chosen(database, name, ids)
        kind = run_kind(definition.spec)
        for head in letters:
            if head.kind != kind:
                raise InvalidRequest(
                    f"dead letter {head.letter_id} is of a {head.kind} trigger, and '{name}' is a {kind} trigger now"
                )
        return [self._retried(found, definition, head) for head in letters]

    def delete(
        self, catalog: CatalogState, clock: Clock, database: str, name: str | None, ids: Sequence[str] | None
    ) -> int:
        """Throw letters of a database away, or of one of its triggers; return how many.

        Raises:
            NotFound, InvalidRequest: see ``retry``; the trigger itself need not exist any more.
        """
        _database(catalog, database)
        deleted = 0
        letters = self._chosen(database, name, ids)
        for at in range(0, len(letters), MOST_DELETED_AT_ONCE):
            deleted += self._delete(letters[at : at + MOST_DELETED_AT_ONCE], clock.now_ns())
        return deleted

    def _delete(self, letters: Sequence[LetterHead], now_ns: int) -> int:
        with self._in_hand(letters) as free:
            lines = [row for head in free for row in done_with_lines(head.letter_id, head.pieces, DELETED, now_ns)]
            if lines:
                payloads = self._rows.prepare_lines(INTERNAL_DATABASE, lines)
                self._wal.append(Entry([RowsRecord(payload) for payload in payloads])).result()
            return len(free)

    def _chosen(self, database: str, name: str | None, ids: Sequence[str] | None) -> list[LetterHead]:
        found = self._store.open_ones(database, name)
        if ids is None:
            return found
        wanted = [_number(text) for text in ids]
        missing = [str(number) for number in wanted if number not in {head.letter_id for head in found}]
        if missing:
            whose = f"database '{database}'" if name is None else f"trigger '{name}'"
            raise NotFound(f"{whose} has no dead letter {', '.join(missing)}")
        return [head for head in found if head.letter_id in wanted]

    def _activation(self, definition: TriggerDefinition) -> Activation:
        self._triggers.check_on()
        activation = self._triggers.activation(definition.trigger_id)
        if activation is None:
            raise AlreadyExists(f"trigger '{definition.name}' is not running: enable it to retry its dead letters")
        return activation

    def _retried(self, database: Database, definition: TriggerDefinition, head: LetterHead) -> RetryResult:
        with self._in_hand([head]) as free, TemporaryDirectory(prefix="influxdb3-retry-") as folder:
            content = self._store.read(head) if free else None
            if content is None:
                return RetryResult(head.letter_id, "failed", "somebody else retries it or is done with it")
            if "lost" in content.given:
                return RetryResult(head.letter_id, "failed", f"its input is lost: {content.given['lost']}")
            letter = RetriedLetter(head.letter_id, head.pieces)
            try:
                activation = self._activation(definition)
                work = self._work(activation, database, content, letter, Path(folder))
                activation.execute(work, lambda done: None)
                return letter.result.result()
            except EngineError as ended:
                return RetryResult(head.letter_id, "failed", str(ended))

    def _work(
        self, activation: Activation, database: Database, content: LetterContent, letter: RetriedLetter, folder: Path
    ) -> Work:
        now_ns = activation.tools.clock.now_ns()
        if "rows" not in content.given:
            due_ns = content.given["call_time_ns"]
            return Work("schedule", now_ns, due_ns=due_ns, attempt=content.attempts, letter=letter)
        present = self._schemas.find(database.database_id, content.given["table"])
        batch = batch_of(content.given, present, folder)
        rows = len(content.given["rows"])
        return Work("wal", now_ns, batches=[batch], rows_in=rows, attempt=content.attempts, letter=letter)

    @contextmanager
    def _in_hand(self, letters: Sequence[LetterHead]) -> Iterator[list[LetterHead]]:
        """Keep others from ``letters``; gives those that nobody else has."""
        with self._lock:
            free = [head for head in letters if head.letter_id not in self._taken]
            self._taken.update(head.letter_id for head in free)
        try:
            yield free
        finally:
            with self._lock:
                self._taken.difference_update(head.letter_id for head in free)


def _database(catalog: CatalogState, name: str) -> Database:
    found = catalog.database(name)
    if found is None:
        raise DatabaseNotFound(f"database not found: {name}")
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(f"'{text}' is no id of a dead letter: it is a number, see show dead_letters")
    return int(text)
