"""Tables and their columns, as values."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum


class ColumnType(Enum):
    """What a column holds; the value is the name that InfluxDB's messages and metadata use."""

    TAG = "iox::column_type::tag"
    TIME = "iox::column_type::timestamp"
    INTEGER = "iox::column_type::field::integer"
    UINTEGER = "iox::column_type::field::uinteger"
    FLOAT = "iox::column_type::field::float"
    STRING = "iox::column_type::field::string"
    BOOLEAN = "iox::column_type::field::boolean"

    @property
    def short(self) -> str:
        """Return the word that the log and the manifest store: ``tag``, ``float`` and so on."""
        return self.value.rsplit("::", 1)[1] if self is not ColumnType.TIME else "time"

    @classmethod
    def from_short(cls, word: str) -> "ColumnType":
        """Return the type that ``short`` calls ``word``."""
        return _BY_SHORT[word]


_BY_SHORT = {t.short: t for t in ColumnType}

TIME_COLUMN = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, and what it holds."""

    name: str
    type: ColumnType


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table in the order in which they first appeared.

    Columns are only ever added, so the schema's version is their number: version v is the first v columns.
    Tags in this order are the series key. ``database_id`` and ``table_id`` are never used again.

    Attributes:
        is_deleted: the table, or its database, was deleted: it can be read, under the name that it has since then.
    """

    database_id: int
    table_id: int
    name: str
    columns: tuple[Column, ...]
    is_deleted: bool = False
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {c.name: c for c in self.columns})

    def __hash__(self) -> int:
        """Return the same for equal schemas, without a look at each column: what is made of a schema is kept by it."""
        return hash((self.table_id, len(self.columns)))

    @property
    def version(self) -> int:
        """Return the schema's version: the number of its columns."""
        return len(self.columns)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the names of the tag columns, the series key."""
        return tuple(c.name for c in self.columns if c.type is ColumnType.TAG)

    def type_of(self, name: str) -> ColumnType | None:
        """Return the type of the column ``name``, ``None`` where there is no such column."""
        column = self._by_name.get(name)
        return column.type if column else None

    def at(self, version: int) -> "TableSchema":
        """Return the schema as it was at ``version``."""
        if version == self.version:
            return self
        return replace(self, columns=self.columns[:version])

    def with_columns(self, added: Iterable[Column]) -> "TableSchema":
        """Return the next version, with ``added`` behind the present columns."""
        return replace(self, columns=(*self.columns, *added))
