"""The messages between the server and a plugin host: what a run is given, what it may ask for, what comes of it.

A message travels as a little-endian ``u32`` length and that many bytes of MessagePack. Both directions are tagged unions.
The embedded executor passes the same objects without encoding them.
"""

from typing import Literal

import msgspec

RunKind = Literal["wal", "schedule", "request"]
ErrorKind = Literal[
    "load", "entry_point", "call", "response", "timeout", "memory", "cpu", "processes", "cancelled", "host"
]
InterruptReason = Literal["timeout", "cpu", "cancelled"]

GLOBAL_NAMESPACE = "global"

BEAT_INTERVAL_S = 0.25


class PayloadRef(msgspec.Struct, frozen=True, array_like=True):
    """Where the rows of one log record are: ``length`` bytes at ``offset`` of the file ``path``, encoded as ``encoding`` says.

    ``encoding`` is one of ``engine.columns.payload.Encoding``; ``version`` is the version of the table's schema then.
    Of the rows there ``row_count`` are meant, from the row ``first_row`` on.
    """

    path: str
    offset: int
    length: int
    encoding: int
    version: int
    row_count: int
    first_row: int = 0


class TableBatch(msgspec.Struct, frozen=True):
    """Rows of one table for a data-write run; ``columns`` are (name, ``ColumnType.short``) in the table's own order."""

    table: str
    columns: list[tuple[str, str]]
    payloads: list[PayloadRef]


class RequestData(msgspec.Struct, frozen=True):
    """What came in with an HTTP request; header names are in lower case, ``authorization`` is not among them.

    ``path`` and ``query_string`` are as they were sent, not decoded.
    """

    query_parameters: dict[str, str]
    headers: dict[str, str]
    body: bytes
    method: str = "GET"
    path: str = ""
    query_string: str = ""


class PluginSource(msgspec.Struct, frozen=True):
    """Where a plugin's code is.

    ``path`` is a file or a folder with ``__init__.py`` on the local disk (for ``gh:`` the file in the cache);
    ``filename`` is what the trigger says; ``problem`` why there is no code for it, and then nothing is at ``path``;
    ``text`` what a single file held last, once it cannot be read any more.
    """

    filename: str
    path: str
    problem: str | None = None
    text: str | None = None


class StateValue(msgspec.Struct, frozen=True, array_like=True):
    """One key of a cache namespace as it is committed.

    ``pickled`` is the value; ``None`` with ``live`` means a value that cannot be pickled is there, ``None`` without it
    that the key is gone.
    ``expires_ns`` is wall-clock time, ``None`` = never.
    """

    key: str
    pickled: bytes | None
    live: bool = False
    expires_ns: int | None = None


class NamespaceSync(msgspec.Struct, frozen=True):
    """What a host that knows version ``since`` of a namespace lacks of version ``version``.

    With ``whole`` it starts from nothing.
    """

    namespace: str
    version: int
    whole: bool
    values: list[StateValue]


class NamespaceChange(msgspec.Struct, frozen=True):
    """What a run changed in one namespace; ``clear`` removes all that was committed before."""

    namespace: str
    clear: bool
    values: list[StateValue]


class CacheRules(msgspec.Struct, frozen=True):
    """How a host keeps a trigger's cache.

    ``restore``: what a host that has nothing of it takes over – all or nothing, what can be pickled, or nothing. It holds
    for the trigger's own namespace; the global one comes whole or not at all.
    ``most_bytes``: so much may the pickled values of a namespace take; what was not used for longest goes first.
    """

    restore: Literal["whole", "values", "never"] = "whole"
    most_bytes: int = 64 << 20


class PassedRun(msgspec.Struct, frozen=True):
    """An earlier run that succeeded on another part of the same batch; ``changes`` are not committed yet."""

    run_id: str
    changes: list[NamespaceChange]


class Run(msgspec.Struct, tag="run"):
    """One call of a plugin's function.

    ``namespace`` and ``global_namespace`` name its two cache namespaces, ``default_ttl_s`` holds for keys put without
    ttl (dry runs), ``cache`` says how they are kept.
    ``thread`` names the thread it runs in: equal names never overlap; an empty name means a thread of its own.
    ``call_time_s`` is set for ``schedule`` (seconds since the epoch), ``request`` for ``request``, ``batches`` for ``wal``.
    ``passed`` are runs whose changes it starts from, beside what is committed; the executor leaves out those that the
    host knows.
    """

    run_id: str
    kind: RunKind
    trigger_name: str
    database: str
    plugin: PluginSource
    args: dict[str, str] | None
    thread: str
    namespace: str
    global_namespace: str = GLOBAL_NAMESPACE
    default_ttl_s: float | None = None
    cache: CacheRules = CacheRules()
    batches: list[TableBatch] = []
    call_time_s: int | None = None
    request: RequestData | None = None
    state: list[NamespaceSync] = []
    passed: list[PassedRun] = []


class Interrupt(msgspec.Struct, tag="interrupt"):
    """Raise an exception for ``reason`` in the thread of a run."""

    run_id: str
    reason: InterruptReason
    text: str


class Settle(msgspec.Struct, tag="settle"):
    """What became of a finished run.

    ``committed``: its state changes are durable, ``versions`` says as which version of each namespace.
    ``repeat``: it will be repeated, so the keys it touched go back to their last committed values – except keys that
    another run has put since.
    """

    run_id: str
    outcome: Literal["committed", "repeat"]
    versions: dict[str, int] = {}


class Forget(msgspec.Struct, tag="forget"):
    """Drop a namespace: its trigger was disabled or deleted."""

    namespace: str


class QueryReply(msgspec.Struct, tag="query_reply"):
    """The answer to ``Query``: an Arrow IPC stream, or the text of an error."""

    call_id: int
    stream: bytes = b""
    error: str | None = None


class WriteReply(msgspec.Struct, tag="write_reply"):
    """The answer to ``WriteNow``: nothing, or the text of an error."""

    call_id: int
    error: str | None = None


class PartReply(msgspec.Struct, tag="part_reply"):
    """The client took a part of an answer; ``wanted``: it waits for more."""

    call_id: int
    wanted: bool = True


class Stop(msgspec.Struct, tag="stop"):
    """End the process in good order."""


ToHost = Run | Interrupt | Settle | Forget | QueryReply | WriteReply | PartReply | Stop


class Ready(msgspec.Struct, tag="ready"):
    """The host has loaded what it needs."""

    pid: int


class Beat(msgspec.Struct, tag="beat"):
    """The host's Python code runs: sent every ``BEAT_INTERVAL_S`` by a thread that does nothing else."""


class Entered(msgspec.Struct, tag="entered"):
    """The plugin's function is about to be called (a run's queue delay ends here), in the thread of this id."""

    run_id: str
    thread_id: int = 0


class Log(msgspec.Struct, tag="log"):
    """A plugin logged a line; ``level`` is ``INFO``, ``WARN`` or ``ERROR``."""

    run_id: str
    level: str
    text: str


class Query(msgspec.Struct, tag="query"):
    """A plugin asks for rows; ``database`` ``None`` means that of its trigger."""

    call_id: int
    run_id: str
    database: str | None
    sql: str
    params: dict[str, str | int | float | bool | None]


class WriteNow(msgspec.Struct, tag="write_now"):
    """A plugin writes at once (``write_sync``); answered when durable, or when accepted if ``no_sync``."""

    call_id: int
    run_id: str
    database: str | None
    lines: str
    no_sync: bool


class ArrowRows(msgspec.Struct, frozen=True):
    """Rows of one table that a plugin writes as columns: an Arrow IPC stream of one batch.

    Tags have the type ``columns.types.TAG_TYPE``, fields the types of ``columns.types.ARROW``; any of them may have nulls.
    The column ``time`` is the last one; without it the rows have the time of the write.
    """

    table: str
    row_count: int
    stream: bytes


Written = str | ArrowRows
"""What one call of a plugin writes: lines of line protocol, or columns."""


class RunError(msgspec.Struct, frozen=True):
    """Why a run failed: ``text`` in one line as the log shows it, ``details`` the traceback."""

    kind: ErrorKind
    text: str
    details: str = ""


class Response(msgspec.Struct, frozen=True):
    """What a request plugin returned."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Part(msgspec.Struct, tag="part"):
    """A part of an answer that a plugin yields; the next one comes after its ``PartReply``.

    The first one has the answer's ``head``, a response without body.
    """

    call_id: int
    run_id: str
    data: bytes
    head: Response | None = None


class Done(msgspec.Struct, tag="done"):
    """A run ended.

    ``writes`` are its buffered writes in call order, (database or ``None`` for that of the trigger, what is written);
    empty after an error, when ``unwritten`` shows them. Of an answer that went out in parts ``response`` has the rest.
    ``changes`` is what it changed in the cache – also after an error, for a failed run may keep its values.
    ``cpu_ns`` is the CPU time of its thread, ``peak_memory_bytes`` the most memory that its process had meanwhile.
    """

    run_id: str
    error: RunError | None = None
    writes: list[tuple[str | None, Written]] = []
    changes: list[NamespaceChange] = []
    response: Response | None = None
    cpu_ns: int = 0
    peak_memory_bytes: int = 0
    unwritten: list[tuple[str | None, Written]] = []


FromHost = Ready | Beat | Entered | Log | Query | WriteNow | Part | Done
