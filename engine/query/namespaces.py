"""The catalog that DataFusion sees: the names of the query that the present thread plans, and no others.

One DataFusion session serves all queries, so that they share caches of files and the limit of memory. DataFusion asks
for names in the thread that plans, which makes the names of a query those of its thread. The classes have the methods
that DataFusion calls; its own base classes are not needed for that.
"""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from engine.errors import QueryError

if TYPE_CHECKING:
    from datafusion.catalog import Table

T = TypeVar("T")

CATALOG = "public"
USER_SCHEMA = "iox"
SYSTEM_SCHEMA = "system"
INFORMATION_SCHEMA = "information_schema"
_SCHEMAS = (USER_SCHEMA, SYSTEM_SCHEMA, INFORMATION_SCHEMA)

LAST_CACHE = "last_cache"
DISTINCT_CACHE = "distinct_cache"
TABLE_FUNCTIONS = (LAST_CACHE, DISTINCT_CACHE)

_TABLE_GUESS = re.compile(r"""\b(?:FROM|JOIN)\s+(?:"([^"]+)"|([A-Za-z_]\w*))(?![\w."(])""", re.IGNORECASE)
_CALL_GUESS = re.compile(r"\b(last_cache|distinct_cache)\(\s*'([^']*)'\s*(?:,\s*'([^']+)'\s*)?\)", re.IGNORECASE)

FindTable = Callable[[str, str], "Table | None"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a table function: of a table's cache, ``None`` = the only one."""

    function: str
    table: str
    cache: str | None


CallTable = Callable[[Call], "Table"]


class Namespace:
    """The names of one schema that a query uses.

    DataFusion cannot be used while it asks for a name. So a name that is asked for the first time is noted in
    ``wanted``, with that of its schema, and said to be missing; it is looked up afterwards, and the query is planned again.
    """

    def __init__(self, name: str, wanted: set[tuple[str, str]]) -> None:
        self._name = name
        self._wanted = wanted
        self.tables: dict[str, Table | None] = {}

    @property
    def table_names(self) -> list[str]:
        """Return nothing: what lists names is answered by the tables of ``information_schema``."""
        return []

    def table(self, name: str) -> "Table | None":
        """Return the table ``name``, ``None`` if there is none or it is not known yet."""
        if name not in self.tables:
            self._wanted.add((self._name, name))
        return self.tables.get(name)

    def table_exist(self, name: str) -> bool:
        """Return whether the table ``name`` is there and known."""
        return self.table(name) is not None


class Names:
    """All names of one query."""

    def __init__(self) -> None:
        self._wanted: set[tuple[str, str]] = set()
        self.schemas = {name: Namespace(name, self._wanted) for name in _SCHEMAS}
        self.results: dict[Call, Table] = {}
        self.wanted_calls: set[Call] = set()
        self.bad_call: QueryError | None = None

    def guess(self, sql: str, find: FindTable, call: CallTable) -> None:
        """Look up what ``sql`` seems to name, so that it need not be planned twice; a wrong guess does no harm."""
        for quoted, plain in _TABLE_GUESS.findall(sql):
            self._wanted.add((USER_SCHEMA, quoted or plain.lower()))
        for function, table, cache in _CALL_GUESS.findall(sql):
            self.wanted_calls.add(Call(function.lower(), table, cache or None))
        with suppress(QueryError):  # what is really called says itself what is wrong with it
            self.learn(find, call)

    @property
    def is_incomplete(self) -> bool:
        """Return whether something was asked for in vain."""
        return bool(self._wanted or self.wanted_calls)

    def call(self, function: str, arguments: tuple[Any, ...]) -> "Table":
        """Return the table that a function gives.

        Raises:
            LookupError: it is not known yet, or ``bad_call`` says what is wrong.
        """
        try:
            call = _parsed_call(function, arguments)
        except QueryError as refusal:
            self.bad_call = refusal
            raise LookupError(function) from refusal
        if call not in self.results:
            self.wanted_calls.add(call)
            raise LookupError(function)
        return self.results[call]

    def learn(self, find: FindTable, call: CallTable) -> bool:
        """Look up with ``find(schema, name)`` and ``call`` what was asked for in vain; return whether any of it is there."""
        if not self.is_incomplete:
            return False
        is_any = bool(self.wanted_calls)
        for schema, name in sorted(self._wanted):
            table = self.schemas[schema].tables[name] = find(schema, name)
            self._wanted.discard((schema, name))
            is_any = is_any or table is not None
        called, self.wanted_calls = self.wanted_calls, set()
        self.results |= {wanted: call(wanted) for wanted in called}
        return is_any


class PlanningCatalog:
    """Gives DataFusion the schemas of the query that the present thread plans."""

    def __init__(self) -> None:
        self._present = threading.local()

    def planned(self, names: Names, plan: Callable[[], T]) -> T:
        """Return what ``plan`` returns, for which there are ``names`` in this thread, and no others."""
        self._present.names = names
        try:
            return plan()
        finally:
            self._present.names = None

    def has_texts(self) -> bool:
        """Return whether a user's table that is known here, where a query is planned, has a column of texts."""
        tables = self._present.names.schemas[USER_SCHEMA].tables.values()
        return any(pa.types.is_string(column.type) for table in tables if table for column in table.schema)

    def schema_names(self) -> set[str]:
        """Return the names of the schemas."""
        return set(_SCHEMAS)

    def call(self, function: str, *arguments: Any) -> "Table":
        """Return the table that a function gives, see ``Names.call``."""
        names: Names = self._present.names
        return names.call(function, arguments)

    def schema(self, name: str) -> Namespace | None:
        """Return the schema ``name``, ``None`` if there is none."""
        names: Names | None = getattr(self._present, "names", None)
        return names.schemas.get(name) if names else None


def _parsed_call(function: str, arguments: tuple[Any, ...]) -> Call:
    """Return the call of ``function`` with these expressions of DataFusion.

    Raises:
        QueryError: they are not one or two texts.
    """
    texts = [_text_of(argument) for argument in arguments]
    if not texts or texts[0] is None:
        raise QueryError("Error during planning: first argument must be the table name as a string")
    if len(texts) > 2:
        raise QueryError(
            f"Error during planning: {function} takes a table name and a cache name, not {len(texts)} arguments"
        )
    if len(texts) == 2 and texts[1] is None:
        raise QueryError("Error during planning: second argument, if passed, must be the cache name as a string")
    return Call(function, texts[0], texts[1] if len(texts) == 2 else None)


def _text_of(expression: Any) -> str | None:
    """Return the text that an expression is, ``None`` if it is anything else."""
    value = expression.python_value() if expression.variant_name() == "Literal" else None
    plain = value.as_py() if isinstance(value, pa.Scalar) else value
    return plain if isinstance(plain, str) else None
