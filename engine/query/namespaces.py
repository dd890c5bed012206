"""The catalog that DataFusion sees: the names of the query that the present thread plans, and no others.

One DataFusion session serves all queries, so that they share caches of files and the limit of memory. DataFusion asks
for names in the thread that plans, which makes the names of a query those of its thread. The classes have the methods
that DataFusion calls; its own base classes are not needed for that.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datafusion.catalog import Table

CATALOG = "public"
USER_SCHEMA = "iox"
SYSTEM_SCHEMA = "system"
INFORMATION_SCHEMA = "information_schema"

FindTable = Callable[[str, str], "Table | None"]


class Namespace:
    """The names of one schema that a query uses.

    DataFusion cannot be used while it asks for a name. So a name that is asked for the first time is noted in
    ``wanted`` and said to be missing; it is looked up afterwards, and the query is planned again.
    """

    def __init__(self) -> None:
        self.tables: dict[str, Table | None] = {}
        self.wanted: set[str] = set()

    @property
    def table_names(self) -> list[str]:
        """Return nothing: what lists names is answered by the tables of ``information_schema``."""
        return []

    def table(self, name: str) -> "Table | None":
        """Return the table ``name``, ``None`` if there is none or it is not known yet."""
        if name not in self.tables:
            self.wanted.add(name)
        return self.tables.get(name)

    def table_exist(self, name: str) -> bool:
        """Return whether the table ``name`` is there and known."""
        return self.table(name) is not None


class Names:
    """All names of one query."""

    def __init__(self) -> None:
        self.schemas = {name: Namespace() for name in (USER_SCHEMA, SYSTEM_SCHEMA, INFORMATION_SCHEMA)}

    def learn(self, find: FindTable) -> bool:
        """Look up with ``find(schema, name)`` what was asked for in vain; return whether there was anything."""
        asked = [(schema, name) for schema, names in self.schemas.items() for name in sorted(names.wanted)]
        for schema, name in asked:
            self.schemas[schema].tables[name] = find(schema, name)
            self.schemas[schema].wanted.discard(name)
        return bool(asked)


class PlanningCatalog:
    """Gives DataFusion the schemas of the query that the present thread plans."""

    def __init__(self) -> None:
        self._present = threading.local()

    @contextmanager
    def of(self, names: Names) -> Iterator[None]:
        """Let this thread plan with ``names``."""
        self._present.names = names
        try:
            yield
        finally:
            self._present.names = None

    def schema_names(self) -> set[str]:
        """Return the names of the schemas."""
        return {USER_SCHEMA, SYSTEM_SCHEMA, INFORMATION_SCHEMA}

    def schema(self, name: str) -> Namespace | None:
        """Return the schema ``name``, ``None`` if there is none."""
        names: Names | None = getattr(self._present, "names", None)
        return names.schemas.get(name) if names else None
