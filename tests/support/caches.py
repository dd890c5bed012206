"""Caches as a person would keep them: dicts and loops, one row after another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.model.caches import DistinctCache, LastCache

Row = dict[str, Any]


@dataclass
class LastModel:
    """The rows of a last-value cache by key, each with when it came, the newest first."""

    cache: LastCache
    rows: dict[tuple[Any, ...], list[tuple[int, Row]]] = field(default_factory=dict)

    def add(self, rows: Iterable[Row], came_ns: int) -> None:
        for row in rows:
            key = tuple(row.get(name) for name in self.cache.key_columns)
            if None in key:
                continue
            alive = self._alive(key, came_ns)
            if not alive or row["time"] > alive[0][1]["time"]:
                self.rows[key] = [(came_ns, row), *alive][: self.cache.count]

    def read(self, now_ns: int, columns: Sequence[str]) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
        found = {key: [tuple(row.get(c) for c in columns) for _, row in self._alive(key, now_ns)] for key in self.rows}
        return {key: rows for key, rows in found.items() if rows}

    def _alive(self, key: tuple[Any, ...], now_ns: int) -> list[tuple[int, Row]]:
        return [entry for entry in self.rows.get(key, []) if entry[0] > now_ns - self.cache.ttl_s * 10**9]


@dataclass
class DistinctModel:
    """The combinations of a distinct-value cache, each with its latest time."""

    cache: DistinctCache
    latest: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            key = tuple(row.get(name) for name in self.cache.key_columns)
            self.latest[key] = max(row["time"], self.latest.get(key, row["time"]))

    def read(self, now_ns: int) -> list[tuple[Any, ...]]:
        valid = [key for key, time in self.latest.items() if time >= now_ns - self.cache.max_age_s * 10**9]
        return sorted(valid, key=lambda key: [(value is not None, value or "") for value in key])
