"""``influxdb3_local``: what a plugin may ask of the database."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pyarrow as pa

from engine.columns.rows import table_rows
from engine.errors import EngineError
from engine.host.cache import CacheStore, RunCache
from engine.host.errors import QueryError, RunInterrupted
from engine.host.ports import Services
from engine.host.protocol import ArrowRows, Written

Parameter = str | int | float | bool | None

UNLISTED = frozenset({"query_arrow", "write_arrow"})
"""Attributes that ``dir`` does not show: code made for InfluxDB 3 may count on exactly the product's nine."""

MOST_ARROW_BYTES = 1 << 28
"""What one run may write as columns: it travels to the server in one message."""


class RunState:
    """What stands behind one ``influxdb3_local``.

    Attributes:
        services: the database.
        store: all caches of this process.
        cache: the two caches of this run.
        writes: the buffered writes so far, (database or ``None`` for that of the trigger, what is written).
        interruption: what every call raises once the run shall end; ``None`` = go on.
    """

    def __init__(self, services: Services, store: CacheStore, cache: RunCache) -> None:
        self.services = services
        self.store = store
        self.cache = cache
        self.writes: list[tuple[str | None, Written]] = []
        self.interruption: RunInterrupted | None = None

    def check(self) -> None:
        """Raise the interruption, if there is one: also threads that a run started shall end."""
        if self.interruption is not None:
            raise type(self.interruption)(*self.interruption.args)


class PluginCache:
    """``influxdb3_local.cache``: objects that outlive a run, in the namespace of the trigger or the global one."""

    __slots__ = ("__run__",)

    def __init__(self, run: RunCache) -> None:
        self.__run__ = run

    def put(self, key: str, value: Any, ttl: float | None = None, use_global: bool | None = None) -> None:
        """Keep ``value`` as ``key``, for ``ttl`` seconds if that is given."""
        seconds = None if ttl is None else float(ttl)
        self.__run__.put(_text("key", key), value, seconds, use_global=_choice(use_global))

    def get(self, key: str, default: Any = None, use_global: bool | None = None) -> Any:
        """Return the object kept as ``key``, or ``default``."""
        return self.__run__.get(_text("key", key), default, use_global=_choice(use_global))

    def delete(self, key: str, use_global: bool | None = None) -> bool:
        """Remove ``key``; return whether it was there."""
        return self.__run__.delete(_text("key", key), use_global=_choice(use_global))


class PyPluginCallApi:
    """One object for each run; it may be used by any thread, also after the run."""

    # A name that begins and ends with two underscores is neither mangled nor a public attribute.
    __slots__ = ("__run__",)

    def __init__(self, run: RunState) -> None:
        self.__run__ = run

    def info(self, *args: Any) -> None:
        """Log the texts of ``args`` with blanks between them."""
        _log(self.__run__, "INFO", args)

    def warn(self, *args: Any) -> None:
        """Log a warning, see ``info``."""
        _log(self.__run__, "WARN", args)

    def error(self, *args: Any) -> None:
        """Log an error, see ``info``."""
        _log(self.__run__, "ERROR", args)

    def write(self, line_builder: Any) -> None:
        """Write what ``line_builder.build()`` returns when the run has succeeded."""
        self.__run__.check()
        self.__run__.writes.append((None, _built(line_builder)))

    def write_to_db(self, db_name: str, line_builder: Any) -> None:
        """Write to another database, see ``write``."""
        self.__run__.check()
        self.__run__.writes.append((_text("db_name", db_name), _built(line_builder)))

    def write_sync(self, line_builder: Any, no_sync: bool) -> None:
        """Write at once; return when it is durable, or with ``no_sync`` when it is accepted."""
        _write_now(self.__run__, None, line_builder, no_sync)

    def write_sync_to_db(self, db_name: str, line_builder: Any, no_sync: bool) -> None:
        """Write to another database at once, see ``write_sync``."""
        _write_now(self.__run__, _text("db_name", db_name), line_builder, no_sync)

    def query(
        self, query: str, args: dict[str, Parameter] | None = None, database: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a SQL query, ``args`` bound to its ``$name`` placeholders.

        Raises:
            QueryError: the query cannot be planned or run.
        """
        sql = _text("query", query)
        name = None if database is None else _text("database", database)
        parameters = _parameters(args)
        return table_rows(_query(self.__run__, name, sql, parameters))

    def query_arrow(
        self, query: str, args: dict[str, Parameter] | None = None, database: str | None = None
    ) -> pa.Table:
        """Return the rows of a SQL query as columns, see ``query``."""
        sql = _text("query", query)
        name = None if database is None else _text("database", database)
        return _query(self.__run__, name, sql, _parameters(args))

    def write_arrow(
        self,
        table_name: str,
        data: Any,
        *,
        tags: Sequence[str] | None = None,
        time_column: str | None = "time",
        database: str | None = None,
    ) -> None:
        """Write the rows of an Arrow table when the run has succeeded, see ``InfluxDB3Local`` in ``influxdb3_plugin``."""
        target = None if database is None else _text("database", database)
        time = None if time_column is None else _text("time_column", time_column)
        self.__run__.check()
        # Only who writes columns pays for the code.
        from engine.host.arrow_rows import arrow_rows

        rows = arrow_rows(_text("table_name", table_name), data, tags, time)
        if rows is not None:
            _keep(self.__run__, target, rows)

    def __dir__(self) -> list[str]:
        return sorted(set(super().__dir__()) - UNLISTED)

    @property
    def cache(self) -> PluginCache:
        """The caches of this run's trigger."""
        self.__run__.store.sweep()
        return PluginCache(self.__run__.cache)


def _log(run: RunState, level: str, args: tuple[Any, ...]) -> None:
    text = _encodable(" ".join(map(str, args)))
    run.check()
    run.services.log(level, text)


def _query(run: RunState, database: str | None, sql: str, parameters: dict[str, Parameter]) -> pa.Table:
    run.check()
    try:
        stream = run.services.query(database, sql, parameters)
    except EngineError as error:
        run.check()
        raise QueryError(str(error)) from None
    with pa.ipc.open_stream(stream) as reader:
        return reader.read_all()


def _keep(run: RunState, database: str | None, rows: ArrowRows) -> None:
    so_far = sum(len(written.stream) for _, written in run.writes if isinstance(written, ArrowRows))
    if so_far + len(rows.stream) > MOST_ARROW_BYTES:
        raise ValueError(
            f"write_arrow: a run can write {MOST_ARROW_BYTES} bytes of columns; there are {so_far} already, and these"
            f" rows have {len(rows.stream)}"
        )
    run.writes.append((database, rows))


def _write_now(run: RunState, database: str | None, line_builder: Any, no_sync: Any) -> None:
    if type(no_sync) is not bool:
        _refuse("no_sync", no_sync, "bool")
    lines = _built(line_builder)
    run.check()
    try:
        run.services.write_now(database, lines, no_sync=no_sync)
    except EngineError as error:
        run.check()
        raise Exception(str(error)) from None


def _built(line_builder: Any) -> str:
    text = line_builder.build()
    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__!r} object is not an instance of 'str'")
    return _encodable(text)


def _parameters(args: Any) -> dict[str, Parameter]:
    if args is None:
        return {}
    if not isinstance(args, dict):
        _refuse("args", args, "dict")
    return {_text("args", name): _parameter(value) for name, value in args.items()}


def _parameter(value: Any) -> Parameter:
    """Return ``value`` as exactly one of the types that travel; subclasses (of numpy, enumerations) become those."""
    if value is None or type(value) is bool:
        return value
    plain = next((plain for kind, plain in _PLAIN.items() if isinstance(value, kind)), None)
    if plain is None:
        _refuse("args", value, "str")
    return plain(value)


def _text(argument: str, value: Any) -> str:
    if not isinstance(value, str):
        _refuse(argument, value, "str")
    return _encodable(value)


def _choice(use_global: Any) -> bool:
    if use_global is not None and type(use_global) is not bool:
        _refuse("use_global", use_global, "bool")
    return bool(use_global)


def _encodable(text: str) -> str:
    """Return ``text`` as a plain ``str``; one that is not Unicode raises here, where the plugin can see it."""
    if not text.isascii():
        text.encode()
    return str.__str__(text)


def _refuse(argument: str, value: Any, wanted: str) -> NoReturn:
    raise TypeError(f"argument '{argument}': {type(value).__name__!r} object is not an instance of {wanted!r}")


_PLAIN: dict[type, Callable[[Any], Parameter]] = {str: _encodable, int: int.__int__, float: float.__float__}
