"""Builders of catalog states, of files as people write them, and of an open catalog."""

import itertools
import zlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from engine.catalog.catalog import Catalog
from engine.catalog.changes import Change, apply_change
from engine.catalog.edits import EditChecks
from engine.catalog.state import CatalogState, Database, TableEntry, Token, by_name, in_order
from engine.disk import Disk, RealDisk
from engine.model.caches import CacheDefinition, DistinctCache, LastCache
from engine.model.retention import MOST_PERIOD_S
from engine.model.toml_layout import header, quote, quote_key
from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_options import LEAST_MEMORY_BYTES, OPTIONS, with_options
from engine.model.trigger_spec import format_trigger_spec, parse_trigger_spec, run_kind
from engine.paths import NodePaths
from tests.support.clock import ManualClock

UUID = "6f1f64ee-4f0a-4f7e-9d4b-0c7cf3c5a0e1"
NOON_NS = 1_795_262_400_123_000_000  # 2026-11-21T12:00:00.123Z
HASH = "ab" * 64
OTHER_HASH = "cd" * 64


class CountingIds:
    """Draws 101, 102 and so on."""

    def __init__(self) -> None:
        self._numbers = itertools.count(101)

    def __call__(self, known: Container[int]) -> int:
        return next(n for n in self._numbers if n not in known)


class Checks:
    """Checks whose answers a test sets: plugins that are missing, databases with data."""

    def __init__(self, missing: Container[str] = (), with_data: Sequence[int] = ()) -> None:
        self.missing = missing
        self.with_data = frozenset(with_data)
        self.asked: list[str] = []

    def plugin_problem(self, trigger: TriggerDefinition) -> str | None:
        self.asked.append(trigger.plugin_filename)
        return "not found" if trigger.plugin_filename in self.missing else None

    def cache_problem(self, database: Database, cache: CacheDefinition) -> str | None:
        return "no such column" if "missing" in cache.key_columns else None

    def databases_with_data(self) -> frozenset[int]:
        return self.with_data


def a_trigger(
    name: str = "copy", trigger_id: int = 11, *, spec: str = "table:cpu", enabled: bool = True
) -> TriggerDefinition:
    """Return a trigger."""
    return TriggerDefinition(trigger_id, name, "copy.py", parse_trigger_spec(spec), enabled=enabled)


def a_state() -> CatalogState:
    """Return a state with a little of everything: ``_internal``, a database with two triggers and three caches,
    a deleted one, two tokens.
    """
    return CatalogState(
        UUID,
        (
            Database(1, "_internal"),
            Database(
                3,
                "old-20261120T101112",
                NOON_NS,
                (a_trigger("gone", 13, enabled=False),),
                NOON_NS + 10**9,
                retention_s=5400,
            ),
            Database(
                2,
                "sensors",
                None,
                (a_trigger("copy", 11), a_trigger("watch", 12, spec="every:90s", enabled=False)),
                None,
                (
                    LastCache(31, "cpu", "cpu_host_last_cache", ("host",)),
                    LastCache(32, "cpu", "temperatures", ("host", "room"), ("temp",), 5, 90),
                    DistinctCache(33, "cpu", "cpu_host_distinct_cache", ("host",), 500, 3600),
                ),
                30 * 86_400,
                (TableEntry("cpu", 86_400), TableEntry("cpu-20261121T120000", None, 41, NOON_NS, NOON_NS + 10**9)),
            ),
        ),
        (Token(21, "_admin", HASH, NOON_NS), Token(22, "ci", OTHER_HASH, NOON_NS, NOON_NS + 10**9)),
    )


def changed(state: CatalogState, *changes: Change, now_ns: int = NOON_NS) -> CatalogState:
    """Return ``state`` after ``changes``, with ids from ``CountingIds``."""
    ids = CountingIds()
    for change in changes:
        state = apply_change(state, change, now_ns=now_ns, draw_id=ids)
    return state


def open_catalog(
    root: Path,
    *,
    text: str | None = None,
    disk: Disk | None = None,
    checks: EditChecks | None = None,
    now_ns: int = NOON_NS,
) -> Catalog:
    """Return a catalog in ``root``, whose file holds ``text`` before, if one is given."""
    paths = NodePaths(root, "node0")
    paths.root.mkdir(parents=True, exist_ok=True)
    if text is not None:
        paths.catalog.write_text(text)
    return Catalog.open(disk or RealDisk(), paths, ManualClock(now_ns), checks)


# Random states

odd_texts = st.one_of(
    st.sampled_from(
        ["copy", "a.b", "with blank", 'say "hi"', "it's", "", "ü#[x]", "line\nbreak", "\\", "tab\t", "\x00\x7f", "=1"]
    ),
    st.text(max_size=6).filter(lambda text: text.isprintable()),
)
specs = st.sampled_from(
    [
        "table:cpu",
        'table: odd "name" ',
        "all_tables",
        "every:90s",
        "cron:0 8 * * *",
        "cron:0 0 6 * * MON-FRI",
        "path:/hook",
    ]
).map(parse_trigger_spec)
seconds = st.integers(1, 10**9).map(lambda us: us / 1e6)
periods = st.none() | st.integers(1, MOST_PERIOD_S)


@st.composite
def triggers(draw: st.DrawFn, *, enabled: bool | None = None) -> TriggerDefinition:
    """Draw a trigger without id."""
    definition = TriggerDefinition(
        0,
        draw(odd_texts),
        draw(odd_texts),
        draw(specs),
        draw(st.one_of(st.none(), st.dictionaries(odd_texts, odd_texts, max_size=3))),
        draw(st.booleans()),
        draw(st.sampled_from(ErrorBehavior)),
        draw(st.booleans()) if enabled is None else enabled,
    )
    return with_options(definition, _options_for(draw, run_kind(definition.spec)))


def _options_for(draw: st.DrawFn, kind: str) -> dict[str, object]:
    """Draw options that a trigger of ``kind`` may have, by the words of requests."""
    options = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "timeout_s": seconds,
                "max_cpu_s": seconds,
                "max_memory_bytes": st.integers(LEAST_MEMORY_BYTES, 2**40),
                "isolation": st.sampled_from(["shared", "trigger"]),
                "restore_state": st.sampled_from(["whole", "values", "never"]),
            },
        )
    )
    if kind == "wal" and draw(st.booleans()):
        options["max_rows_per_run"] = draw(st.integers(1, 10**6))
    if kind == "schedule" and draw(st.booleans()):
        options |= {"jitter_s": draw(seconds), "misfire": "once", "misfire_window_s": draw(seconds)}
    return options


@st.composite
def caches(draw: st.DrawFn) -> CacheDefinition:
    """Draw a cache without id."""
    table, name = draw(odd_texts), draw(odd_texts)
    columns = st.lists(odd_texts, unique=True, min_size=1, max_size=3).map(tuple)
    if draw(st.booleans()):
        age_s = draw(st.integers(0, 10**9))
        return DistinctCache(0, table, name, draw(columns), draw(st.integers(1, 10**6)), age_s)
    values = draw(st.one_of(st.none(), columns, st.just(())))
    return LastCache(0, table, name, draw(st.one_of(columns, st.just(()))), values, draw(st.integers(1, 9)))


@st.composite
def tables(draw: st.DrawFn, *, in_deleted: bool) -> TableEntry:
    """Draw what is said of a table: of a live one, or of a deleted one with an id."""
    period = draw(periods)
    if in_deleted or draw(st.booleans()):
        hard_delete_ns = draw(st.sampled_from([None, NOON_NS]))
        return TableEntry(draw(odd_texts), period, draw(st.integers(1, 2**52 - 1)), NOON_NS, hard_delete_ns)
    return TableEntry(draw(odd_texts), period or 86_400)


@st.composite
def states(draw: st.DrawFn) -> CatalogState:
    """Draw a state with ``_internal``, some databases, triggers and tokens."""
    ids = itertools.count(1)
    names = draw(st.lists(st.sampled_from(["sensors", "a-b", "db/rp", "7", "X_y"]), unique=True, max_size=3))
    databases = [Database(next(ids), "_internal")]
    for name in names:
        deleted_ns = draw(st.one_of(st.none(), st.just(NOON_NS)))
        drawn = draw(st.lists(triggers(enabled=False if deleted_ns else None), max_size=3, unique_by=lambda t: t.name))
        hard_delete_ns = draw(st.sampled_from([None, NOON_NS])) if deleted_ns else None
        kept = draw(st.lists(caches(), max_size=0 if deleted_ns else 2, unique_by=lambda c: (type(c), c.table, c.name)))
        numbered = in_order(replace(cache, cache_id=next(ids)) for cache in kept)
        described = draw(st.lists(tables(in_deleted=bool(deleted_ns)), max_size=2, unique_by=lambda t: t.name))
        databases.append(
            Database(
                next(ids),
                name,
                deleted_ns,
                _numbered(drawn, ids),
                hard_delete_ns,
                numbered,
                draw(periods),
                by_name(described),
            )
        )
    by = st.none() | st.integers(1, 1000)
    expiry = st.one_of(st.none(), st.integers(0, 2 * 10**12).map(lambda ms: ms * 10**6))
    tokens = [
        Token(
            next(ids),
            name,
            draw(st.sampled_from([HASH, OTHER_HASH])),
            NOON_NS,
            *draw(st.tuples(expiry, by, expiry, by)),
        )
        for name in draw(st.lists(odd_texts, unique=True, max_size=2))
    ]
    return CatalogState(UUID, by_name(databases), by_name(tokens))


def _numbered(drawn: Sequence[TriggerDefinition], ids: "itertools.count[int]") -> tuple[TriggerDefinition, ...]:
    return by_name(replace(trigger, trigger_id=next(ids)) for trigger in drawn)


# The same as people write it


@dataclass(frozen=True)
class Piece:
    """Lines of a file that belong together: of the entry with ``entry_id``, or (0) a comment that is nobody's."""

    entry_id: int
    text: str


@st.composite
def handwritten(draw: st.DrawFn, state: CatalogState) -> list[Piece]:
    """Draw a file that says ``state``, in the manner of people: comments, blank lines, any order, odd spelling."""
    entries = [_database_lines(d) for d in state.databases] + [_token_lines(t) for t in state.tokens]
    entries += [_trigger_lines(d, t) for d in state.databases for t in d.triggers]
    entries += [_cache_lines(d, c) for d in state.databases for c in d.caches]
    entries += [_table_lines(d, t) for d in state.databases for t in d.tables]
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    head = Piece(-1, _text(draw, [f'cluster_uuid = "{UUID}"', "format_version = 1"], newline))
    pieces = [*_comments(draw, newline), head]
    for entry_id, lines in draw(st.permutations(entries)):
        pieces += _comments(draw, newline)
        indent = draw(st.sampled_from(["", "", "  ", "\t"]))
        top, *rest = lines
        ordered = draw(st.permutations([line for line in rest if not line.startswith("[")]))
        below = [line for line in rest if line.startswith("[")]
        pieces.append(Piece(entry_id, _text(draw, [indent + line for line in (top, *ordered, *below)], newline)))
    return [*pieces, *_comments(draw, newline)]


_LOOSE = st.sampled_from(["", "  ", "# loose", "# loose [databases.fake]", '# loose = """', "# loose id = 5 '''"])
_INNER = st.sampled_from(["", "  ", "# inner", "   # [databases.fake]", '# x = """', "# id = 5 '''"])


def _comments(draw: st.DrawFn, newline: str) -> list[Piece]:
    return [Piece(0, line + newline) for line in draw(st.lists(_LOOSE, max_size=3))]


def _text(draw: st.DrawFn, lines: Sequence[str], newline: str) -> str:
    """Return ``lines`` with blanks, comments behind them and between them."""
    text = ""
    for number, line in enumerate(lines):
        text += line.replace("\n", newline) + draw(st.sampled_from(["", "", " ", "  # why = [", "\t# '''"])) + newline
        if number + 1 < len(lines):
            text += "".join(inner + newline for inner in draw(st.lists(_INNER, max_size=1)))
    return text


def _database_lines(database: Database) -> tuple[int, list[str]]:
    lines = [header(("databases", database.name)), f"id={database.database_id}"]
    if database.is_deleted:
        lines.append("deleted = 2026-11-21 13:00:00.123+01:00")
    if database.hard_delete_ns is not None:
        lines.append("hard_delete_at = 2026-11-21T12:00:00.123000Z")
    if database.retention_s is not None:
        lines.append(f"'retention_period' = \"{database.retention_s}sec\"")
    return database.database_id, lines


def table_key(database: Database, table: TableEntry) -> int:
    """Return what stands for the id of a table's entry, which has none."""
    return -2 - zlib.crc32(repr((database.database_id, table.name)).encode())


def _table_lines(database: Database, table: TableEntry) -> tuple[int, list[str]]:
    lines = [header(("databases", database.name, "tables", table.name))]
    if table.is_deleted:
        lines += [f"id={table.table_id}", "deleted = 2026-11-21 13:00:00.123+01:00"]
    if table.hard_delete_ns is not None:
        lines.append("hard_delete_at = 2026-11-21T12:00:00.123000Z")
    if table.retention_s is not None:
        lines.append(f"retention_period = '{table.retention_s} s'")
    return table_key(database, table), lines


def _token_lines(token: Token) -> tuple[int, list[str]]:
    return token.token_id, [
        f"[ tokens . {quote(token.name)} ]",
        f"'id' = 0x{token.token_id:x}",
        f'hash = """\\\n   {token.hash.upper()}"""',
        "created = 2026-11-21T12:00:00.123Z",
        *([] if token.expires_ns is None else [f"expires = {_moment(token.expires_ns)}"]),
        *([] if token.created_by is None else [f"created_by = {token.created_by}"]),
        *([] if token.updated_ns is None else [f"updated = {_moment(token.updated_ns)}"]),
        *([] if token.updated_by is None else [f"updated_by = {token.updated_by}"]),
    ]


def _moment(time_ns: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_ns // 1000)).isoformat(sep=" ")


def _trigger_lines(database: Database, trigger: TriggerDefinition) -> tuple[int, list[str]]:
    path = header(("databases", database.name, "triggers", trigger.name))
    lines = [
        path,
        f"id =   {trigger.trigger_id}",
        f"spec = {quote(format_trigger_spec(trigger.spec))}",
        f'"plugin" = {quote(trigger.plugin_filename)}',
    ]
    if trigger.error_behavior is not ErrorBehavior.LOG:
        lines.append(f"error_behavior='{trigger.error_behavior.value}'")
    if trigger.run_async:
        lines.append("run_asynchronous = true")
    if not trigger.enabled or len(trigger.name) % 2:
        lines.append(f"enabled = {'true' if trigger.enabled else 'false'}")
    lines += [f"{o.key} = '{text}'" for o in OPTIONS if (text := o.text(trigger)) is not None]
    if trigger.arguments is not None:
        lines += _argument_lines(database, trigger, trigger.arguments)
    return trigger.trigger_id, lines


def _cache_lines(database: Database, cache: CacheDefinition) -> tuple[int, list[str]]:
    columns = ",".join(map(quote, cache.key_columns))
    if isinstance(cache, DistinctCache):
        return cache.cache_id, [
            header(("databases", database.name, "distinct_caches", cache.table, cache.name)),
            f"id = {cache.cache_id}",
            f"columns = [{columns},]" if columns else "columns = []",
            f"max_cardinality = 0x{cache.max_cardinality:x}",
            f"max_age = '{cache.max_age_s}s'",
        ]
    lines = [
        header(("databases", database.name, "last_caches", cache.table, cache.name)),
        f"id = {cache.cache_id}",
        f"key_columns = [{columns}]",
    ]
    if cache.value_columns is not None:
        lines.append(f"value_columns = [ {', '.join(map(quote, cache.value_columns))} ]")
    if cache.count != 1:
        lines.append(f"count = {cache.count}")
    return cache.cache_id, lines


def _argument_lines(database: Database, trigger: TriggerDefinition, arguments: Mapping[str, str]) -> list[str]:
    values = [f"{quote_key(key)} = {quote(value)}" for key, value in arguments.items()]
    match trigger.trigger_id % 4:
        case 0 if values:
            return [f"arguments.{value}" for value in values]
        case 1:
            table = header(("databases", database.name, "triggers", trigger.name, "arguments"))
            return ["\n".join([table, *values])]
        case 2:
            return ["arguments = {" + ", ".join(values) + "}"]
        case _:
            return ["arguments = { " + ", ".join(value.replace(" = ", "=", 1) for value in values) + "} # { }"]
