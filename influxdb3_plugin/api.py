"""What plugins call: the object ``influxdb3_local``, and its cache."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Parameter: TypeAlias = str | int | float | bool | None
"""A value for a ``$name`` placeholder of a query."""

Args: TypeAlias = dict[str, str] | None
"""The third parameter of every plugin function: the trigger's arguments, ``None`` if it has none."""

Body: TypeAlias = str | bytes | dict[str, Any] | list[Any] | Iterable[str | bytes]
"""The body of a response: text (``text/html``), bytes, or what becomes JSON; parts of a generator go out as they come."""

Response: TypeAlias = (
    Body | tuple[Body] | tuple[Body, int] | tuple[Body, dict[str, str]] | tuple[Body, int, dict[str, str]]
)
"""What ``process_request`` returns: a body; if wanted with status (else 200) and headers."""


class LineSource(Protocol):
    """Anything with ``build()``: a ``LineBuilder``, or a class of your own that gives many lines at once."""

    def build(self) -> str:
        """Return line protocol: one line, or several with line feeds between them."""


class Cache(Protocol):
    """Objects that outlive a run, and a restart of the server if they can be pickled.

    Each trigger has a namespace of its own; ``use_global=True`` means the one that all triggers of the server share.
    """

    def put(self, key: str, value: Any, ttl: float | None = None, use_global: bool | None = None) -> None:
        """Keep ``value`` as ``key``, for ``ttl`` seconds if that is given.

        Raises:
            ValueError: ``ttl`` is negative, infinite or no number.
        """

    def get(self, key: str, default: Any = None, use_global: bool | None = None) -> Any:
        """Return the very object that was put as ``key``, or ``default``."""

    def delete(self, key: str, use_global: bool | None = None) -> bool:
        """Remove ``key``; return whether it was there."""


class InfluxDB3Local(Protocol):
    """What the first parameter of every plugin function can do; any thread may use it, also after the run.

    ``query_arrow`` and ``write_arrow`` are additions to what InfluxDB 3 Core offers; ``dir()`` does not list them.
    """

    def info(self, *args: object) -> None:
        """Log the texts of ``args`` with blanks between them, for ``system.processing_engine_logs``."""

    def warn(self, *args: object) -> None:
        """Log a warning, see ``info``."""

    def error(self, *args: object) -> None:
        """Log an error, see ``info``; the run goes on."""

    def write(self, line_builder: LineSource) -> None:
        """Write what ``line_builder.build()`` returns, together with everything else of the run, when that has succeeded.

        If the run fails, nothing of it is written. Lines without a time get that of the write.
        """

    def write_to_db(self, db_name: str, line_builder: LineSource) -> None:
        """Write to another database, which is made if it is missing; see ``write``."""

    def write_sync(self, line_builder: LineSource, no_sync: bool) -> None:
        """Write at once, whatever becomes of the run; return when it is durable, with ``no_sync`` when it is accepted.

        Raises:
            Exception: the lines are refused.
        """

    def write_sync_to_db(self, db_name: str, line_builder: LineSource, no_sync: bool) -> None:
        """Write to another database at once, see ``write_sync``."""

    def query(
        self, query: str, args: dict[str, Parameter] | None = None, database: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a SQL query as dicts; times are ``int`` nanoseconds, null is ``None``.

        ``args`` are bound to ``$name`` placeholders. Without ``database`` the trigger's own is asked.

        Raises:
            QueryError: the query cannot be planned or run.
        """

    def query_arrow(
        self, query: str, args: dict[str, Parameter] | None = None, database: str | None = None
    ) -> "pa.Table":
        """Return the rows of a SQL query as columns; tags are dictionaries of texts. See ``query``."""

    def write_arrow(
        self,
        table_name: str,
        data: Any,
        *,
        tags: Sequence[str] | None = None,
        time_column: str | None = "time",
        database: str | None = None,
    ) -> None:
        """Write the rows of an Arrow table as ``write`` writes lines: with the run, or not at all.

        Columns of integers, floats, booleans and text become fields of the same kind; those without any value are left
        out. A null is a value that the row does not have; each row needs one value of a field.

        Args:
            table_name: the table, which is made if it is missing.
            data: a ``pyarrow.Table``, a ``RecordBatch``, or anything with ``__arrow_c_stream__``, such as a data frame
                of pandas 2.2 or polars.
            tags: the columns that are tags, of text. ``None`` means those that are dictionaries of texts, as
                ``to_arrow`` and ``query_arrow`` give tags.
            time_column: where the times are: timestamps of any unit, dates, or integers (nanoseconds). ``None`` gives
                all rows the time of the write.
            database: another database than the trigger's; it is made if it is missing.

        Raises:
            TypeError, ValueError: the data cannot be written; the text names the column.
        """

    @property
    def cache(self) -> Cache:
        """The cache of the trigger."""
