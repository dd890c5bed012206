"""The catalog's file: TOML text to state, state to TOML text."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from engine.catalog.cache_entry import KINDS, cache_path, read_caches
from engine.catalog.changes import is_token_hash
from engine.catalog.revision import TOKENS, database_path, revise, token_path
from engine.catalog.state import CatalogState, Database, Token, by_name, in_order
from engine.catalog.table_entry import RETENTION, TABLES, read_period, read_table
from engine.catalog.trigger_entry import DATABASES, TRIGGERS, read_trigger, trigger_path
from engine.errors import InvalidRequest
from engine.model.names import check_database_name
from engine.model.toml_layout import Document, TablePath, header, parse_document, statements
from engine.model.toml_reader import Source, TableReader, parse_source

FORMAT_VERSION = 1

_TOP_KEYS = ("format_version", "cluster_uuid", DATABASES, TOKENS)
_DATABASE_KEYS = ("id", "deleted", "hard_delete_at", RETENTION, TABLES, TRIGGERS, *KINDS)
_TOKEN_KEYS = ("id", "hash", "created", "expires", "created_by", "updated", "updated_by")

_GUIDE = """\
# What this server holds: databases, their triggers and caches, tokens. Made to be edited: comments and layout stay as they are.
# The running server takes a good edit within a second and refuses a bad one as a whole; `influxdb3 show catalog` says why.
# An editor can know what is allowed here: `influxdb3 export --schema catalog` writes the schema of this file.
#
# A new trigger needs three lines; the id is added by the server, all other keys have a default:
#
#   [databases.NAME.triggers.TRIGGER]
#   spec = "table:cpu"                  # or all_tables, every:10s, "cron:0 8 * * *", request:path
#   plugin = "file.py"                  # in the plugin folder
#   arguments = { threshold = "90" }    # texts; none by default
#   error_behavior = "log"              # or retry, disable
#   run_asynchronous = false            # true: runs may overlap
#   enabled = true
#   timeout = "30s"                     # the server's own by default
#
# and may have max_memory = "512mb", max_cpu = "10s", max_rows_per_run = 1000, isolation = "trigger",
# restore_state = "values"; a schedule also timezone = "Europe/Berlin", misfire = "once", misfire_window, jitter.
#
# A cache needs the columns; it begins empty:
#
#   [databases.NAME.last_caches.TABLE.CACHE]        # newest rows by key: SELECT * FROM last_cache('TABLE')
#   key_columns = ["host"]              # value_columns: all others; count = 1; ttl = "4h"
#   [databases.NAME.distinct_caches.TABLE.CACHE]    # values that occur: SELECT * FROM distinct_cache('TABLE')
#   columns = ["region", "host"]        # max_cardinality = 100000; max_age = "1day"
#
# Rows older than a period are not shown any more, and go; a table's own period comes before that of its database:
#
#   [databases.NAME]
#   retention_period = "30d"            # "36h", "1h 30m"; for ever without this line
#   [databases.NAME.tables.TABLE]
#   retention_period = "7d"
#
# Databases and tables are deleted by command (`influxdb3 delete database NAME`), not here. What is deleted stays below its
# new name until its data goes at hard_delete_at; that time may be changed, or the line taken out: then it stays.

format_version = 1
"""


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """What a catalog file says; an id, ``created`` and ``cluster_uuid`` that it leaves out are 0, 0 and an empty text."""

    source: Source
    state: CatalogState


def decode(data: bytes, name: str) -> CatalogFile:
    """Return what the file with the content ``data`` says; ``name`` is what messages call it.

    Raises:
        CatalogEditRefused: it cannot be read; the text names file, line and reason.
    """
    source, values = parse_source(data, name)
    top = TableReader(source, (), "the catalog", values)
    _check_version(top)
    top.allow(_TOP_KEYS)
    _check_headers(source)
    state = CatalogState(
        _read_uuid(top),
        by_name(_read_database(source, n, v) for n, v in _tables(source, (DATABASES,), values)),
        by_name(_read_token(source, n, v) for n, v in _tables(source, (TOKENS,), values)),
    )
    _check_ids(source, state)
    return CatalogFile(source, state)


def encode(state: CatalogState) -> Document:
    """Return a new file that says ``state``."""
    return revise(parse_document(_GUIDE), CatalogState(""), state)


def _check_version(top: TableReader) -> None:
    version = top.integer("format_version")
    if version > FORMAT_VERSION:
        raise top.refusal(
            f"the file has format_version {version}, this server reads up to {FORMAT_VERSION}: use a newer influxdb3",
            "format_version",
        )
    if version < 1:
        raise top.refusal(f"format_version must be {FORMAT_VERSION}", "format_version")


def _check_headers(source: Source) -> None:
    """Refuse entries without a header of their own, for the engine could not change their lines alone."""
    for block in source.document.blocks:
        if _holds_entries(block.path):
            for statement in statements(block.body):
                if not statement.is_header and _is_entry(block.path, statement.key[0]):
                    reason = (
                        f"write this below a header of its own: {header(_whole_path((*block.path, *statement.key)))}"
                    )
                    raise source.refusal(reason, block.path, statement.key[0])


def _holds_entries(path: TablePath) -> bool:
    """Return whether below the header ``path`` an entry may begin, not only values of one stand."""
    if len(path) < 2:
        return True
    return path[0] == DATABASES and (path[2:] in ((), (TABLES,), (TRIGGERS,)) or (path[2] in KINDS and len(path) < 5))


def _is_entry(path: TablePath, key: str) -> bool:
    """Return whether ``key`` below the header ``path`` is an entry, not a value of one."""
    if not path:
        return key in (DATABASES, TOKENS)
    return len(path) != 2 or key in (TABLES, TRIGGERS, *KINDS)


def _whole_path(path: TablePath) -> TablePath:
    """Return the header of the entry that is, or is to be, at ``path``."""
    if path[2:3] in ((TABLES,), (TRIGGERS,)):
        return (*path, "NAME")[:4]
    if len(path) > 2 and path[2] in KINDS:
        return (*path, *("TABLE", "NAME")[max(len(path) - 3, 0) :])[:5]
    return (*path, "NAME")[:2]


def _tables(source: Source, path: TablePath, values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    tables = values.get(path[-1], {})
    if not isinstance(tables, dict):
        raise source.refusal(f"{path[-1]} must be tables with headers such as {header((*path, 'NAME'))}", path)
    yield from tables.items()


def _read_uuid(top: TableReader) -> str:
    text = top.text_or("cluster_uuid", "")
    try:
        return str(uuid.UUID(text)) if text else ""
    except ValueError:
        raise top.refusal(f"cluster_uuid {text!r} is not a UUID", "cluster_uuid") from None


def _read_database(source: Source, name: str, values: object) -> Database:
    path = (DATABASES, name)
    reader = TableReader(source, path, f"database {name!r}", values)
    reader.allow(_DATABASE_KEYS)
    bare = Database(reader.id_or_zero(), name, reader.time_ns("deleted"), (), reader.time_ns("hard_delete_at"))
    if bare.is_internal and bare.is_deleted:
        raise reader.refusal("cannot delete internal db", "deleted")
    if not bare.is_deleted and not bare.is_internal:
        try:
            check_database_name(name)
        except InvalidRequest as error:
            raise reader.refusal(f"bad name {name!r}: {error}") from error
    if reader.has("hard_delete_at") and not bare.is_deleted:
        raise reader.refusal(f"database {name!r} is not deleted", "hard_delete_at")
    if reader.has(RETENTION) and bare.is_internal:
        raise reader.refusal("cannot modify internal db", RETENTION)
    below = values if isinstance(values, dict) else {}
    return replace(
        bare,
        triggers=by_name(read_trigger(source, bare, n, v) for n, v in _tables(source, (*path, TRIGGERS), below)),
        caches=in_order(read_caches(source, bare, values)),
        retention_s=read_period(reader),
        tables=by_name(read_table(source, bare, n, v) for n, v in _tables(source, (*path, TABLES), below)),
    )


def _read_token(source: Source, name: str, values: object) -> Token:
    reader = TableReader(source, (TOKENS, name), f"token {name!r}", values)
    reader.allow(_TOKEN_KEYS)
    token_hash = reader.text("hash").lower()
    if not is_token_hash(token_hash):
        raise reader.refusal(f"hash of token {name!r} must be the SHA-512 of its text, 128 hex digits", "hash")
    return Token(
        reader.id_or_zero(),
        name,
        token_hash,
        reader.time_ns("created") or 0,
        reader.time_ns("expires"),
        reader.id_or_zero("created_by") or None,
        reader.time_ns("updated"),
        reader.id_or_zero("updated_by") or None,
    )


def _check_ids(source: Source, state: CatalogState) -> None:
    holders: dict[int, list[TablePath]] = {}
    for path, entry_id in _ids(state):
        holders.setdefault(entry_id, []).append(path)
    for entry_id, paths in holders.items():
        if entry_id and len(paths) > 1:
            second = max(paths, key=lambda path: source.document.line_of(path, "id"))
            raise source.refusal(
                f"id {entry_id} stands there twice; leave the line out of the new entry, and the server adds another",
                second,
                "id",
            )


def _ids(state: CatalogState) -> Iterator[tuple[TablePath, int]]:
    for database in state.databases:
        yield database_path(database), database.database_id
        for trigger in database.triggers:
            yield trigger_path(database, trigger), trigger.trigger_id
        for cache in database.caches:
            yield cache_path(database, cache), cache.cache_id
    for token in state.tokens:
        yield token_path(token), token.token_id
