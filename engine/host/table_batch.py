"""One table's rows as ``process_writes`` gets them: a dict whose rows are made when they are first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, ItemsView, Iterator, Sequence, ValuesView
from typing import TYPE_CHECKING, Any, Literal, Protocol, SupportsIndex, overload

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
"""One row: tags (``str``), fields (``str``, ``int``, ``float``, ``bool``), and ``time`` (``int``, nanoseconds since
1970) last; ``None`` for a column that the row did not write."""


class RowsSource(Protocol):
    """Where the rows of a batch come from."""

    def rows(self) -> list[Row]:
        """Return the rows as dicts, new ones at each call."""

    def to_arrow(self) -> pa.Table:
        """Return the rows as columns."""


class TableBatch(dict[str, Any]):
    """A dict with exactly the keys ``table_name`` and ``rows``, to read and to change like any other.

    ``rows`` is a plain list of plain dicts. It is made when it is first asked for, so a plugin that reads the columns
    of ``to_arrow`` instead never pays for it. Copies – ``copy``, ``dict(batch)``, ``|``, pickles – are plain dicts.

    Every method that gives values fills in the rows first. That ``__iter__`` is one of the dict's own redefined
    methods matters, too: by it CPython knows that it must ask this class instead of reading its memory, in ``dict(batch)``,
    ``{**batch}``, ``f(**batch)`` and ``update``.
    """

    __slots__ = ("_source",)
    __hash__ = None  # as any dict

    def __init__(self, table_name: str, rows: list[Row] | RowsSource) -> None:
        self._source: RowsSource = _GivenRows(rows) if isinstance(rows, list) else rows
        super().__init__(table_name=table_name, rows=rows if isinstance(rows, list) else UnreadRows(rows.rows))

    def to_arrow(self) -> pa.Table:
        """Return the rows as they came from the database, whatever the plugin has changed in ``rows`` since.

        The columns stand in the order of a row's keys: tags (``dictionary(int32, string)``), fields (``int64``,
        ``uint64``, ``float64``, ``string``, ``bool``), ``time`` (``timestamp[ns]``) last. Every column of the table is
        there, null where a row did not write it. Large batches are read where the log stands in memory, without a copy.
        """
        return self._source.to_arrow()

    @property
    def table_name(self) -> str:
        """The same as ``batch["table_name"]``: the product's own template of a plugin reads it as an attribute."""
        return self["table_name"]

    @property
    def rows(self) -> list[Row]:
        """The same as ``batch["rows"]``."""
        return self["rows"]

    @overload
    def __getitem__(self, key: Literal["table_name"], /) -> str: ...
    @overload
    def __getitem__(self, key: Literal["rows"], /) -> list[Row]: ...
    @overload
    def __getitem__(self, key: str, /) -> Any: ...
    def __getitem__(self, key: str, /) -> Any:
        value = super().__getitem__(key)
        if type(value) is UnreadRows:
            value = self[key] = value.read()
        return value

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def get(self, key: str, default: Any = None, /) -> Any:
        """See ``dict.get``."""
        value = super().get(key, default)
        return self[key] if type(value) is UnreadRows else value

    def setdefault(self, key: str, default: Any = None, /) -> Any:
        """See ``dict.setdefault``."""
        value = super().setdefault(key, default)
        return self[key] if type(value) is UnreadRows else value

    def pop(self, key: str, /, *default: Any) -> Any:
        """See ``dict.pop``."""
        self._fill()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        """See ``dict.popitem``."""
        self._fill()
        return super().popitem()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override] # the very object that ``dict`` gives
        """See ``dict.items``."""
        self._fill()
        return super().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override] # the very object that ``dict`` gives
        """See ``dict.values``."""
        self._fill()
        return super().values()

    def copy(self) -> dict[str, Any]:
        """Return a plain dict with the same table name and the same list of rows."""
        return dict(self.items())

    def __eq__(self, other: object) -> bool:
        self._fill()
        if isinstance(other, TableBatch):
            other._fill()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __or__(self, other: dict[Any, Any]) -> dict[Any, Any]:
        return self.copy().__or__(other)

    def __ror__(self, other: dict[Any, Any]) -> dict[Any, Any]:
        return self.copy().__ror__(other)

    def __repr__(self) -> str:
        return repr(self.copy())

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return dict, (self.copy(),)

    def _fill(self) -> None:
        value = super().get("rows")
        if type(value) is UnreadRows:
            self["rows"] = value.read()


class UnreadRows(Sequence[Row]):
    """What stands for the rows until they are asked for; shown only to code that reads a dict past its methods.

    For Python code it is the sequence of the rows. C code that wants a list refuses it, and so shows nothing wrong.
    """

    __slots__ = ("_lock", "_make", "_rows")

    def __init__(self, make: Callable[[], list[Row]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._rows: list[Row] | None = None

    def read(self) -> list[Row]:
        """Return the rows, always the same list."""
        with self._lock:
            if self._rows is None:
                self._rows = self._make()
            return self._rows

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self.read()[index]

    def __len__(self) -> int:
        return len(self.read())

    def __iter__(self) -> Iterator[Row]:
        return iter(self.read())

    def __eq__(self, other: object) -> bool:
        return self.read() == (other.read() if isinstance(other, UnreadRows) else other)

    __hash__ = None  # type: ignore[assignment] # as any list

    def __repr__(self) -> str:
        return repr(self.read())

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self.read(),)


class _GivenRows:
    """Rows that somebody put together by hand, as tests of plugins do (port ``RowsSource``)."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def rows(self) -> list[Row]:
        return self._rows

    def to_arrow(self) -> pa.Table:
        import pyarrow as pa  # tests of plugins that never ask for columns do without

        names = list(dict.fromkeys(name for row in self._rows for name in row))
        arrays = [pa.array([row.get(name) for row in self._rows]) for name in names]
        if "time" in names:
            place = names.index("time")
            arrays[place] = pa.array(arrays[place], pa.int64()).view(pa.timestamp("ns"))
        return pa.table(arrays, names=names)
