"""A running server as the commands see it: one method per endpoint, failures in the product's words."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from engine.model.durations import NS_PER_SECOND, format_duration
from influxdb3_cli.errors import AnswerBroken, AnswerUnusable, CommandFailed, RequestNotSent, ServerRefused
from influxdb3_cli.texts import quote, sql_text
from influxdb3_cli.trust import EVERYDAY, Trust

_UNTRUSTED = ": the certificate of the server is not to be trusted; --tls-ca FILE names its authority"
_FIRST_REFUSAL = 300  # a redirection is not followed, so nothing was done
_JSON = {"Content-Type": "application/json"}
_JSON_LINES = {"Accept": "application/jsonl"}
_CONFIGURE = "/api/v3/configure"
_DATABASE = f"{_CONFIGURE}/database"
_TABLE = f"{_CONFIGURE}/table"
_TRIGGER = f"{_CONFIGURE}/processing_engine_trigger"
_LETTERS = f"{_TRIGGER}/dead_letters"
_BACKFILL = f"{_TRIGGER}/backfill"
_PACKAGES = f"{_CONFIGURE}/plugin_environment"
_WARNING = "X-Influxdb3-Warning"
_SENT_FORMATS = {"jsonl": "json_lines"}  # where requests and command line use different words

_T = TypeVar("_T")
Body = AbstractContextManager[Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class NewTrigger:
    """What ``create trigger`` asks for.

    Attributes:
        settings: options of the trigger, by the words that requests have; the others are left to the server.
        strict: refuse a plugin that cannot work, instead of warning.
        plugin_files: name in the server's plugin folder and text of what the trigger needs there.
    """

    database: str
    name: str
    plugin_filename: str
    specification: str
    arguments: Mapping[str, str] | None
    run_async: bool
    error_behavior: str
    disabled: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    plugin_files: Mapping[str, str] | None = None

    def as_request(self) -> dict[str, Any]:
        """Return the body of the request."""
        request: dict[str, Any] = {
            "db": self.database,
            "plugin_filename": self.plugin_filename,
            "trigger_name": self.name,
            "trigger_settings": {
                "run_async": self.run_async,
                "error_behavior": self.error_behavior,
                **self.settings,
            },
            "trigger_specification": self.specification,
            "trigger_arguments": self.arguments,
            "disabled": self.disabled,
        }
        if self.strict:
            request["strict"] = True
        if self.plugin_files is not None:
            request["plugin_files"] = self.plugin_files
        return request


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How lines are to be taken; what is not given is left out, so that the server's own default holds.

    Attributes:
        precision: the long word of a precision.
        gzip: compress the bodies.
    """

    precision: str | None = None
    accept_partial: bool = False
    no_sync: bool = False
    gzip: bool = False


class InfluxClient:
    """A connection to one server. Every method raises ``CommandFailed`` when the server refuses or cannot be reached."""

    def __init__(self, host: str, token: str | None, trust: Trust = EVERYDAY) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}".rstrip()}
        try:
            self._http = httpx.Client(
                base_url=host,
                headers=headers,
                verify=_certificates(host, trust),
                timeout=None,  # a query or an installation takes as long as it takes
                limits=httpx.Limits(max_connections=None),
            )
        except (httpx.InvalidURL, UnicodeError) as error:
            raise CommandFailed(f"{quote(host)} is not a URL: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def create_database(self, name: str, period_s: int | None = None) -> None:
        """Create the database ``name``; its rows are kept for ``period_s`` seconds, ``None`` = for ever."""
        self._call("POST", _DATABASE, body={"db": name, "retention_period": _period(period_s)})

    def update_database(self, name: str, period_s: int | None) -> None:
        """Keep the rows of a database for ``period_s`` seconds, ``None`` = for ever."""
        self._call("PUT", _DATABASE, body={"db": name, "retention_period": _period(period_s)})

    def delete_database(self, name: str, hard_delete_at: str | None = None) -> None:
        """Delete the database ``name``; its data goes at the time that is given."""
        self._call("DELETE", _DATABASE, params=_given(db=name, hard_delete_at=hard_delete_at), headers=_JSON)

    def databases(self, fmt: str, *, show_deleted: bool) -> Body:
        """List the databases in the format ``fmt``."""
        params = {"format": _SENT_FORMATS.get(fmt, fmt), "show_deleted": str(show_deleted).lower()}
        return self._stream("GET", _DATABASE, params=params, headers=_JSON)

    def create_table(
        self,
        database: str,
        name: str,
        tags: list[str],
        fields: list[tuple[str, str]],
        period_s: int | None = None,
    ) -> None:
        """Create a table; ``fields`` are pairs of name and type; for ``period_s`` see ``update_table``."""
        body = {
            "db": database,
            "table": name,
            "tags": tags,
            "fields": [{"name": f, "type": kind} for f, kind in fields],
        }
        self._call("POST", _TABLE, body=body if period_s is None else body | {"retention_period": _period(period_s)})

    def update_table(self, database: str, name: str, period_s: int | None) -> None:
        """Keep the rows of a table for ``period_s`` seconds, ``None`` = as long as those of its database."""
        self._call("PUT", _TABLE, body={"db": database, "table": name, "retention_period": _period(period_s)})

    def delete_table(self, database: str, name: str, hard_delete_at: str | None = None) -> None:
        """Delete the table ``name``; its rows go at the time that is given."""
        params = _given(db=database, table=name, hard_delete_at=hard_delete_at)
        self._call("DELETE", _TABLE, params=params, headers=_JSON)

    def create_cache(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Create a cache, ``kind`` is ``last_cache`` or ``distinct_cache``; return its description, ``None`` = it was there."""
        answer = self._call("POST", f"{_CONFIGURE}/{kind}", body=request)
        return _decoded(answer) if answer else None

    def delete_cache(self, kind: str, database: str, table: str, name: str) -> None:
        """Delete a cache, ``kind`` is ``last_cache`` or ``distinct_cache``."""
        self._call("DELETE", f"{_CONFIGURE}/{kind}", body={"db": database, "table": table, "name": name})

    def create_trigger(self, trigger: NewTrigger) -> list[str]:
        """Create a trigger; return what the server warns of."""
        with self._send("POST", _TRIGGER, body=trigger.as_request()) as response:
            return response.headers.get_list(_WARNING)

    def update_trigger(self, database: str, name: str, changes: Mapping[str, Any]) -> list[str]:
        """Change what ``changes`` names of the trigger ``name``; return what the server warns of."""
        with self._send("PATCH", _TRIGGER, body={"db": database, "trigger_name": name, **changes}) as response:
            return response.headers.get_list(_WARNING)

    def begin_backfill(self, database: str, trigger: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """Send stored rows through a trigger; return ``backfill_id`` and ``rows``."""
        wanted = {key: value for key, value in what.items() if value is not None}
        answer = self._call_json("POST", _BACKFILL, body={"db": database, "trigger_name": trigger, **wanted})
        _member(answer, "backfill_id", int)
        _member(answer, "rows", int)
        return answer

    def cancel_backfill(self, database: str, trigger: str) -> None:
        """End the backfill of a trigger before its time."""
        self._call("DELETE", _BACKFILL, body={"db": database, "trigger_name": trigger})

    def delete_trigger(self, database: str, name: str, *, force: bool) -> None:
        """Delete the trigger ``name``, also while it is enabled if ``force``."""
        self._call("DELETE", _TRIGGER, body={"db": database, "trigger_name": name, "force": force})

    def enable_trigger(self, database: str, name: str) -> None:
        """Start the trigger ``name``."""
        self._call("POST", f"{_TRIGGER}/enable", params={"db": database, "trigger_name": name}, headers=_JSON)

    def disable_trigger(self, database: str, name: str) -> None:
        """Stop the trigger ``name``."""
        self._call("POST", f"{_TRIGGER}/disable", params={"db": database, "trigger_name": name}, headers=_JSON)

    def retry_dead_letters(self, database: str, trigger: str, ids: list[str] | None) -> list[dict[str, Any]]:
        """Run dead letters of a trigger again, all if ``ids`` is ``None``; return ``id``, ``state`` … of each."""
        body = {"db": database, "trigger_name": trigger, "ids": ids, "all": ids is None}
        return _member(self._call_json("POST", f"{_LETTERS}/retry", body=body), "results", list)

    def delete_dead_letters(self, database: str, trigger: str | None, ids: list[str] | None) -> int:
        """Throw dead letters of a database or a trigger away, all if ``ids`` is ``None``; return how many."""
        body = {"db": database, "trigger_name": trigger, "ids": ids, "all": ids is None}
        return _member(self._call_json("DELETE", _LETTERS, body=body), "deleted", int)

    def replace_plugin(self, database: str, trigger: str, plugin: str | list[tuple[str, str]]) -> list[str]:
        """Replace the file of a trigger by a text, or its folder by (relative path, text); return warnings."""
        body: dict[str, Any] = {"plugin_name": trigger}
        if isinstance(plugin, str):
            path, body["content"] = "/api/v3/plugins/files", plugin
        else:
            path = "/api/v3/plugins/directory"
            body["files"] = [{"relative_path": name, "content": text} for name, text in plugin]
        with self._send("PUT", path, params={"db": database}, body=body) as response:
            return response.headers.get_list(_WARNING)

    def write_plugin_file(self, name: str, text: str) -> None:
        """Create or replace the file ``name`` of the plugin folder."""
        self._call("POST", "/api/v3/plugins/files", body={"plugin_name": name, "content": text})

    def plugin_files(self) -> list[dict[str, Any]]:
        """Return ``plugin_filename``, ``file_name`` and ``content_hash`` of the files that triggers run."""
        sql = "SELECT DISTINCT plugin_filename, file_name, content_hash FROM system.plugin_files"
        return self.rows("_internal", sql)

    def delete_cache_state(self, database: str, trigger: str | None, key: str | None) -> None:
        """Take away what a trigger keeps in its cache, or (``None``) what all keep in the global one; one value by ``key``."""
        params = {"db": database, "scope": "global"} if trigger is None else {"db": database, "trigger_name": trigger}
        if key is not None:
            params["key"] = key
        self._call("DELETE", f"{_TRIGGER}/cache_state", params=params, headers=_JSON)

    def create_admin_token(self) -> str:
        """Create the operator token and return it."""
        return self._new_token("admin")

    def regenerate_admin_token(self) -> str:
        """Give the operator token a new text and return it."""
        return self._new_token("admin/regenerate")

    def create_named_token(self, name: str, expiry_s: int | None) -> str:
        """Create a further admin token, valid for ``expiry_s`` seconds (``None``: for ever), and return it."""
        return self._new_token("named_admin", {"token_name": name, "expiry_secs": expiry_s})

    def delete_token(self, name: str) -> None:
        """Delete the token ``name``."""
        self._call("DELETE", f"{_CONFIGURE}/token", params={"token_name": name}, headers=_JSON)

    def catalog(self) -> dict[str, Any]:
        """Return the state of the catalog: ``path``, ``problem`` (a refused edit, or null) and ``databases``."""
        answer = self._call_json("GET", f"{_CONFIGURE}/catalog", headers=_JSON)
        _member(answer, "databases", list)
        return answer

    def query_sql(self, database: str, sql: str, fmt: str) -> Body:
        """Run ``sql``; the rows come in the format ``fmt``, while the server makes them."""
        body = {"db": database, "q": sql, "format": _SENT_FORMATS.get(fmt, fmt), "params": None}
        return self._stream("POST", "/api/v3/query_sql", body=body)

    def rows(self, database: str, sql: str) -> list[dict[str, Any]]:
        """Return the rows of ``sql``."""
        answer = self._call("POST", "/api/v3/query_sql", body={"db": database, "q": sql, "format": "json"})
        rows = _json(answer)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise AnswerUnusable("expected a list of objects")
        return rows

    def backup(self) -> Body:
        """Give a backup of the server, as a tar archive."""
        return self._stream("GET", "/api/v3/backup")

    def check_trigger(self, database: str, name: str, *others: str) -> None:
        """Raise ``CommandFailed`` if the database has no trigger ``name``, nor speak system tables ``others`` of it."""
        tables = ("processing_engine_triggers", *others)
        parts = (f"SELECT trigger_name FROM system.{t} WHERE trigger_name = {sql_text(name)}" for t in tables)
        if not self.rows(database, " UNION ".join(parts)):
            raise CommandFailed(f"database {quote(database)} has no trigger {quote(name)}")

    def write_lp(self, database: str, lines: bytes, options: WriteOptions) -> None:
        """Write line protocol; return when the server has taken it."""
        params = {"db": database}
        if options.precision is not None:
            params["precision"] = options.precision
        if options.accept_partial:
            params["accept_partial"] = "true"
        if options.no_sync:
            params["no_sync"] = "true"
        headers = {}
        if options.gzip:
            import gzip  # here: start-up time of every other command

            lines = gzip.compress(lines, compresslevel=6)
            headers["Content-Encoding"] = "gzip"
        self._call("POST", "/api/v3/write_lp", params=params, headers=headers, content=lines)

    def install_packages(self, packages: list[str]) -> Iterator[str]:
        """Install packages for the plugins; yield pip's lines while it runs."""
        return self._install(f"{_PACKAGES}/install_packages", {"packages": packages})

    def install_requirements(self, location: str) -> Iterator[str]:
        """Install what a requirements file lists; the server reads it. Yield pip's lines while it runs."""
        return self._install(f"{_PACKAGES}/install_requirements", {"requirements_location": location})

    def test_plugin(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run a plugin without effects; ``kind`` is ``wal``, ``schedule`` or ``request``. Return logs, writes and errors."""
        answer = self._call_json("POST", f"/api/v3/plugin_test/{kind}", body=request)
        _member(answer, "errors", list)
        return answer

    def _install(self, path: str, request: Mapping[str, Any]) -> Iterator[str]:
        with self._send("POST", path, body=request, headers=_JSON_LINES) as response:
            if not response.headers.get("Content-Type", "").startswith(_JSON_LINES["Accept"]):
                return  # a server that does not tell its progress: its status says it all
            for line in _lines(_pieces(response)):
                event = _decoded(line)
                if event.get("status") == "ok":
                    return
                if event.get("status") == "error":
                    raise CommandFailed(_member(event, "message", str))
                yield _member(event, "line", str)
        raise AnswerBroken("it does not say whether the packages are installed")

    def _new_token(self, kind: str, body: Mapping[str, Any] | None = None) -> str:
        answer = self._call_json("POST", f"{_CONFIGURE}/token/{kind}", body=body, headers=_JSON)
        return _member(answer, "token", str)

    def _call(self, method: str, path: str, **parts: Any) -> bytes:
        """Return the whole body of the answer."""
        with self._send(method, path, **parts) as response:
            return b"".join(_pieces(response))

    def _call_json(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        return _decoded(self._call(method, path, **parts))

    @contextmanager
    def _stream(self, method: str, path: str, **parts: Any) -> Iterator[Iterator[bytes]]:
        with self._send(method, path, **parts) as response:
            yield _pieces(response)

    @contextmanager
    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[httpx.Response]:
        """Give the answer, its body unread; raise if its status tells of a failure."""
        try:
            request = self._http.build_request(method, path, params=params, json=body, content=content, headers=headers)
        except UnicodeEncodeError as error:
            raise CommandFailed(f"what was given is not UTF-8: {error}") from error
        try:
            response = self._http.send(request, stream=True)
        except httpx.RequestError as error:
            stage = "Connect" if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) else "SendRequest"
            why = _UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
            raise RequestNotSent(method, str(request.url.copy_with(query=None)), stage, why) from error
        try:
            if response.status_code >= _FIRST_REFUSAL:
                raise ServerRefused(response.status_code, _told(b"".join(_pieces(response))))
            yield response
        finally:
            response.close()


def _certificates(host: str, trust: Trust) -> ssl.SSLContext:
    """Return whom to trust. Reading the certificates takes 40 ms; without TLS, trusting nobody is enough."""
    if not host.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    if trust.anybody:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trust.ca is not None:
        try:
            data = trust.ca.read_bytes()
            context.load_verify_locations(cadata=data if trust.ca.suffix == ".der" else data.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise CommandFailed(f"{quote(str(trust.ca))} holds no certificate in PEM, nor in DER named .der") from error
        except OSError as error:
            raise CommandFailed(f"cannot read the certificate {quote(str(trust.ca))}: {error.strerror}") from error
    return context


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_bytes()
    except httpx.RequestError as error:
        raise AnswerBroken(str(error)) from error


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *complete, rest = (rest + piece).split(b"\n")
        yield from filter(None, complete)
    if rest:
        yield rest


def _told(body: bytes) -> str:
    """Return what an error's body says: its ``message`` if it is an object with one, else the body itself."""
    text = body.decode(errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        return text
    message = value.get("message") if isinstance(value, dict) else None
    return message if isinstance(message, str) else text


def _decoded(body: bytes) -> dict[str, Any]:
    value = _json(body)
    if not isinstance(value, dict):
        raise AnswerUnusable("expected an object")
    return value


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AnswerUnusable(str(error)) from error


def _member(value: dict[str, Any], key: str, kind: type[_T]) -> _T:
    member = value.get(key)
    if not isinstance(member, kind):
        raise AnswerUnusable(f"no {kind.__name__} under {quote(key)}")
    return member


def _period(seconds: int | None) -> str | None:
    return None if seconds is None else format_duration(seconds * NS_PER_SECOND)


def _given(**params: str | None) -> dict[str, str]:
    """Return the parameters that have a value."""
    return {name: value for name, value in params.items() if value is not None}
