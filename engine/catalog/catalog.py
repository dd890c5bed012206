"""The catalog: one state, kept in ``catalog.toml``, changed by commands and by edits of the file."""

import logging
import threading
from dataclasses import dataclass, replace

from engine.catalog.changes import Change, apply_change
from engine.catalog.codec import decode, encode
from engine.catalog.edits import EditChecks, NoChecks, check_data, check_edit, check_start, complete
from engine.catalog.publisher import Observer, Publication, Publisher
from engine.catalog.revision import revise
from engine.catalog.state import CatalogState
from engine.catalog.times import time_stamp
from engine.clock import Clock
from engine.disk import Disk, replace_file
from engine.errors import CatalogEditRefused
from engine.model.ids import draw_id
from engine.model.toml_layout import Document
from engine.paths import NodePaths

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is in force, and what the file may hold beside it.

    Attributes:
        document: the text that says ``state``; ``content`` is its bytes.
        refused: what the file holds while it is an edit that was refused.
        unsure: what the engine wrote without knowing whether it is durable; it is not in force.
        problem: why the last edit was refused, ``None`` since one was taken.
    """

    state: CatalogState
    document: Document
    content: bytes
    refused: bytes | None = None
    unsure: bytes | None = None
    problem: str | None = None


class Catalog:
    """The definitions of one node; all methods may be called from any thread.

    Observers are called with the old and the new state, after the new one is durable, in the order of the changes and
    without a lock of the catalog. Who calls ``apply`` or ``poll_edits`` must not hold a lock that an observer needs.
    """

    def __init__(self, disk: Disk, paths: NodePaths, clock: Clock, checks: EditChecks, known: _Known) -> None:
        self._disk = disk
        self._paths = paths
        self._clock = clock
        self._checks = checks
        self._known = known
        self._lock = threading.Lock()
        self._publisher = Publisher()

    @classmethod
    def open(cls, disk: Disk, paths: NodePaths, clock: Clock, checks: EditChecks | None = None) -> "Catalog":
        """Return the catalog in the folder ``paths.root``, which exists; its file is made if it is missing.

        Raises:
            CatalogEditRefused: the file cannot be read, or lacks a database of which ``checks`` know data.
        """
        checks = checks or NoChecks()
        name, now_ns = str(paths.catalog), clock.now_ns()
        if disk.exists(paths.catalog):
            content = disk.read(paths.catalog)
            file = decode(content, name)
            check_start(file, checks)
            state = complete(file.state, now_ns=now_ns, draw_id=draw_id)
            document = revise(file.source.document, file.state, state)
        else:
            content = b""
            state = complete(CatalogState(""), now_ns=now_ns, draw_id=draw_id)
            check_data(name, state, checks, None)
            document = encode(state)
        known = _Known(state, document, document.text.encode())
        if known.content != content:
            replace_file(disk, paths.catalog, known.content)
        return cls(disk, paths, clock, checks, known)

    @property
    def state(self) -> CatalogState:
        """Return what is in force now."""
        return self._known.state

    @property
    def problem(self) -> str | None:
        """Return why the last edit by hand was refused (file, line, reason), ``None`` since one was taken."""
        return self._known.problem

    @property
    def content(self) -> bytes:
        """Return the file as it is in force; on the disk there may be an edit that was refused."""
        return self._known.content

    def subscribe(self, observer: Observer) -> None:
        """Call ``observer`` with the old and the new state of every change from now on.

        What it raises goes to the caller of ``apply``, after the other observers were called; the change stays.
        """
        self._publisher.subscribe(observer)

    def apply(self, change: Change) -> CatalogState:
        """Make ``change`` and return the state after it; by then it is durable, and the observers know of it.

        An observer that calls this gets its answer before the observers know of its change.

        Raises:
            EngineError: the change cannot be made, see ``apply_change``.
            OSError: the disk failed; the state is as before.
        """
        publication: Publication | None = None
        while True:
            self.poll_edits()
            with self._lock:
                known = self._known
                if self._read() not in (known.content, known.refused, known.unsure):
                    continue  # edited this very moment
                state = apply_change(known.state, change, now_ns=self._clock.now_ns(), draw_id=draw_id)
                if state is not known.state:
                    publication = self._change_to(state)
                break
        self._publisher.deliver()
        if publication and publication.error:
            raise publication.error
        return state

    def check(self, change: Change) -> None:
        """Raise what ``apply`` would raise of ``change`` now; nothing is changed."""
        apply_change(self.state, change, now_ns=self._clock.now_ns(), draw_id=draw_id)

    def poll_edits(self) -> None:
        """Take what somebody changed in the file, or refuse it as a whole and say so in ``problem``.

        Raises:
            OSError: the disk failed; the state is as before.
        """
        while not self._poll_once():
            pass
        self._publisher.deliver()

    def _poll_once(self) -> bool:
        """Return whether the file was judged as it is; it may be saved again while its plugins are looked for."""
        known, content = self._known, self._read()
        is_put_back = content == known.content and known.refused is not None
        if content in (known.content, known.refused, known.unsure) and not is_put_back:
            return True
        judged = replace(known, refused=None, problem=None) if is_put_back else self._judge(known, content)
        with self._lock:
            if self._known is not known or self._read() != content:
                return False
            if judged.refused is None:
                self._make_durable(judged.content, content)
            self._known = judged
            if judged.state is not known.state:
                self._publisher.enqueue(Publication(known.state, judged.state))
        if judged.refused is not None:
            logger.error("catalog edit refused: %s", judged.problem)
        else:
            logger.info("catalog edit taken file=%s", self._paths.catalog)
        return True

    def _judge(self, known: _Known, content: bytes) -> _Known:
        name = str(self._paths.catalog)
        try:
            file = decode(content, name)
            check_edit(file, known.state, self._checks)
        except CatalogEditRefused as refusal:
            return replace(known, refused=content, problem=str(refusal))
        state = complete(file.state, now_ns=self._clock.now_ns(), draw_id=draw_id)
        document = revise(file.source.document, file.state, state)
        return _Known(known.state if state == known.state else state, document, document.text.encode())

    def _change_to(self, state: CatalogState) -> Publication:
        known = self._known
        document = revise(known.document, known.state, state)
        content = document.text.encode()
        problem = self._keep_refused(known)
        # If this fails the file may hold the change nevertheless: that is not an edit by hand.
        self._known = replace(known, unsure=content)
        replace_file(self._disk, self._paths.catalog, content)
        self._known = _Known(state, document, content, problem=problem)
        publication = Publication(known.state, state)
        self._publisher.enqueue(publication)
        return publication

    def _keep_refused(self, known: _Known) -> str | None:
        """Keep a refused file under another name, for its own is needed; return what ``problem`` says then."""
        if not known.refused:
            return known.problem
        stamp = time_stamp(self._clock.now_ns())
        path, number = self._paths.rejected_catalog(stamp), 1
        while self._disk.exists(path):
            number += 1
            path = self._paths.rejected_catalog(f"{stamp}-{number}")
        replace_file(self._disk, path, known.refused)
        logger.error("refused catalog file kept file=%s", path)
        return f"{known.problem}; that file was kept as {path.name}"

    def _make_durable(self, wanted: bytes, present: bytes) -> None:
        if wanted == present:
            self._disk.sync_file(self._paths.catalog)
            self._disk.sync_folder(self._paths.catalog.parent)
        else:
            replace_file(self._disk, self._paths.catalog, wanted)

    def _read(self) -> bytes:
        try:
            return self._disk.read(self._paths.catalog)
        except FileNotFoundError:
            return b""  # refused like an empty file, for it says nothing either
