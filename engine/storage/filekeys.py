"""The hashes of the keys in Parquet files, read when rows come that may repeat them, kept within a limit."""

import threading
from collections import OrderedDict

import numpy as np

from engine.columns.keys import Hashes, hash_keys
from engine.model.schema import TableSchema
from engine.storage.manifest import FileEntry
from engine.storage.objects import FileReader
from engine.storage.parquet import key_columns
from engine.storage.ranges import Mask, Range, Times, inside

MOST_BYTES = 64 << 20
"""So much of hashes is kept in memory, those used last."""


class FileKeys:
    """Tells which rows repeat keys of a file; reads the keys of those row groups only whose times they have."""

    def __init__(self, reader: FileReader, most_bytes: int = MOST_BYTES) -> None:
        self._reader = reader
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._groups: dict[tuple[int, str], list[Range]] = {}
        self._hashes: OrderedDict[tuple[int, str, int], Hashes] = OrderedDict()
        self._bytes = 0

    def repeated(self, file: FileEntry, times: Times, hashes: Hashes, schema: TableSchema) -> Mask:
        """Return for each row (its time, the hash of its key) whether ``file`` has its key."""
        found = np.zeros(len(times), dtype=bool)
        for number, group in enumerate(self._groups_of(file)):
            places = np.flatnonzero(inside(times, (group,)))
            if len(places):
                known = self._hashes_of(file, number, group, schema)
                found[places] = _is_in(hashes[places], known)
        return found

    def forget(self, file: FileEntry) -> None:
        """Let go of what is known of a file that is there no more."""
        with self._lock:
            for number in range(len(self._groups.pop((file.table_id, file.name), ()))):
                gone = self._hashes.pop((file.table_id, file.name, number), None)
                self._bytes -= gone.nbytes if gone is not None else 0

    def _groups_of(self, file: FileEntry) -> list[Range]:
        key = (file.table_id, file.name)
        known = self._groups.get(key)
        if known is None:
            known = self._groups[key] = self._reader.group_times(file)
        return known

    def _hashes_of(self, file: FileEntry, number: int, group: Range, schema: TableSchema) -> Hashes:
        key = (file.table_id, file.name, number)
        with self._lock:
            known = self._hashes.get(key)
            if known is not None:
                self._hashes.move_to_end(key)
                return known
        rows = self._reader.read(file, schema, key_columns(schema), (group,))
        known = np.sort(hash_keys(rows, schema.tags))
        with self._lock:
            if key not in self._hashes:
                self._hashes[key] = known
                self._bytes += known.nbytes
            while self._bytes > self._most_bytes and len(self._hashes) > 1:
                self._bytes -= self._hashes.popitem(last=False)[1].nbytes
        return known


def _is_in(hashes: Hashes, ordered: Hashes) -> Mask:
    if not len(ordered):
        return np.zeros(len(hashes), dtype=bool)
    places = np.searchsorted(ordered, hashes)
    places[places == len(ordered)] = 0
    found: Mask = ordered[places] == hashes
    return found
