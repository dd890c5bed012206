"""Takes the values out of one table of a TOML file, and says where it is wrong: file, line and reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import tomli

from engine.errors import CatalogEditRefused
from engine.model.nearest import nearest
from engine.model.toml_layout import Document, TablePath, header, parse_document

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_ID = 2**52 - 1
_NS_PER_US = 1_000
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """A file while it is read; ``name`` is what messages call it."""

    name: str
    document: Document

    def refusal(self, reason: str, path: TablePath = (), key: str | None = None) -> CatalogEditRefused:
        """Return the error that says ``reason`` about ``key`` below the header ``path``."""
        return CatalogEditRefused(f"{self.name}, line {self.document.line_of(path, key)}: {reason}")


def parse_source(data: bytes, name: str) -> tuple[Source, dict[str, object]]:
    """Return the file with the content ``data`` and its values; ``name`` is what messages call it.

    Raises:
        CatalogEditRefused: it is empty or not TOML; the text names file, line and reason.
    """
    text = _decode(data, name)
    try:
        values = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise CatalogEditRefused(f"{name}, line {error.lineno}: not valid TOML: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, brackets within brackets without end.
        raise CatalogEditRefused(f"{name}, line 1: not valid TOML: {error}") from error
    return Source(name, parse_document(text)), values


class TableReader:
    """The values below the header ``path``.

    Attributes:
        what: how messages call the entry.
    """

    def __init__(self, source: Source, path: TablePath, what: str, values: object) -> None:
        self._source = source
        self._path = path
        self.what = what
        if not isinstance(values, dict):
            raise self.refusal(f"{what} must be a table with a header of its own: {header(path)}")
        self._values: Mapping[str, object] = values

    def refusal(self, reason: str, key: str | None = None) -> CatalogEditRefused:
        """Return the error that says ``reason`` about ``key``."""
        return self._source.refusal(reason, self._path, key)

    def allow(self, keys: Iterable[str]) -> None:
        """Refuse keys other than ``keys``."""
        allowed = tuple(keys)
        for key in self._values:
            if key not in allowed:
                near = nearest(key.lower(), allowed)
                meant = f" is {near!r} meant?" if near else ""
                raise self.refusal(f"unknown key {key!r} in {self.what};{meant} allowed are {', '.join(allowed)}", key)

    def has(self, key: str) -> bool:
        """Return whether ``key`` stands there."""
        return key in self._values

    def text(self, key: str) -> str:
        """Return the string ``key``, which must be there."""
        if key not in self._values:
            raise self.refusal(f"{self.what} needs the key {key!r}")
        value = self._values[key]
        if not isinstance(value, str):
            raise self._wrong_type(key, "a text in quotes")
        return value

    def number_or_text(self, key: str) -> str:
        """Return the whole number or string ``key`` as text."""
        value = self._values[key]
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._wrong_type(key, "a text in quotes or a whole number")
        return str(value)

    def text_or(self, key: str, default: str) -> str:
        """Return the string ``key``."""
        return self.text(key) if key in self._values else default

    def flag_or(self, key: str, default: bool) -> bool:
        """Return the boolean ``key``."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong_type(key, "true or false")
        return value

    def integer(self, key: str) -> int:
        """Return the integer ``key``, which must be there."""
        if key not in self._values:
            raise self.refusal(f"{self.what} needs the key {key!r}")
        value = self._values[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong_type(key, "a whole number")
        return value

    def integer_or(self, key: str, default: int, *, least: int, most: int) -> int:
        """Return the integer ``key``, which must be in these bounds."""
        if key not in self._values:
            return default
        value = self.integer(key)
        if not least <= value <= most:
            raise self.refusal(f"{key} {value} of {self.what} is not in {least} to {most}", key)
        return value

    def text_list(self, key: str) -> tuple[str, ...]:
        """Return the list of strings ``key``, which must be there, with each of them once."""
        if key not in self._values:
            raise self.refusal(f"{self.what} needs the key {key!r}")
        values = self._values[key]
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self._wrong_type(key, 'a list of texts: ["host", "region"]')
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise self.refusal(f"{key} of {self.what} holds {twice!r} twice", key)
        return tuple(values)

    def id_or_zero(self, key: str = "id") -> int:
        """Return the entry's id, or another one that it names, 0 where there is none (yet)."""
        if key not in self._values:
            return 0
        value = self.integer(key)
        if not 1 <= value <= MOST_ID:
            hint = "leave the line out" + (" and the server adds one" if key == "id" else "")
            raise self.refusal(f"{key} {value} of {self.what} is not in 1 to {MOST_ID}; {hint}", key)
        return value

    def time_ns(self, key: str) -> int | None:
        """Return the time ``key`` in ns since the epoch, ``None`` where it is missing."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self._wrong_type(key, "a time with its zone, such as 2026-11-21T03:15:00Z")
        try:
            since = value.astimezone(UTC) - _EPOCH
        except OverflowError:
            since = timedelta(days=-1)
        if since < timedelta(0):
            raise self.refusal(f"{key} of {self.what} must be in the years 1970 to 9999 UTC", key)
        return since // timedelta(microseconds=1) * 1_000

    def texts(self, key: str) -> dict[str, str] | None:
        """Return the table of strings ``key``, ``None`` where it is missing."""
        values = self._values.get(key)
        if values is None:
            return None
        if not isinstance(values, dict):
            raise self._wrong_type(key, 'a table of texts: { threshold = "10" }')
        for name, value in values.items():
            if not isinstance(value, str):
                raise self._source.refusal(
                    f'{key}.{name} of {self.what} must be a text in quotes: {name} = "…"', (*self._path, key), name
                )
        return values

    def _wrong_type(self, key: str, wanted: str) -> CatalogEditRefused:
        return self.refusal(f"{key} of {self.what} must be {wanted}", key)


def _decode(data: bytes, name: str) -> str:
    if not data.strip():
        raise CatalogEditRefused(f"{name}, line 1: the file is empty")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CatalogEditRefused(f"{name}, line {line}: not valid UTF-8") from error


def time_text(time_ns: int | None) -> str | None:
    """Return ``time_ns`` as the file has it, ``None`` for ``None``; ``TableReader.time_ns`` reads it."""
    if time_ns is None:
        return None
    moment = (_EPOCH + timedelta(microseconds=time_ns // _NS_PER_US)).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds" if time_ns % _NS_PER_MS else "milliseconds") + "Z"
