"""The reference of endpoints, from the server's table of routes and from what its handlers read."""

import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from docs.generator.markdown import code, docstring, table
from engine.server.app import ROUTES
from engine.server.auth import FIRST_TOKEN_PATH, OPENABLE_PATHS
from engine.server.routes import plugin_requests

_MOST_CALLS = 3
"""So deep are functions looked into that a handler calls in its own module."""


def markdown() -> str:
    """Return a table with a line for each method and path."""
    plugins = {(method, f"{plugin_requests.PREFIX}PATH"): r for method, r in plugin_requests.ROUTES_BELOW.items()}
    routes = sorted({**ROUTES, **plugins}.items(), key=lambda item: (item[0][1], item[0][0]))
    rows = [
        (method, code(path), docstring(route.handler.__doc__), _parameters(route.handler), _open(path))
        for (method, path), route in routes
    ]
    return table(("Method", "Path", "What it does", "Parameters", "Without a token"), rows)


def _open(path: str) -> str:
    if path == FIRST_TOKEN_PATH:
        return "yes"
    return next((f"if `--disable-authz` names `{word}`" for word, paths in OPENABLE_PATHS.items() if path in paths), "")


def _parameters(handler: Callable[..., Any]) -> str:
    """Return the parameters by where they stand, those that need not be given in brackets."""
    places: dict[str, set[str]] = {}
    needed: dict[str, bool] = {}
    for struct in _read(handler):
        for field in msgspec.structs.fields(struct):
            places.setdefault(field.encode_name, set()).update(_places(struct))
            needed[field.encode_name] = field.required
    by_place: dict[str, list[str]] = {}
    for name, found in places.items():
        shown = code(name) if needed[name] else f"[{code(name)}]"
        by_place.setdefault(" or ".join(sorted(found, reverse=True)), []).append(shown)
    return "; ".join(f"{place}: {', '.join(names)}" for place, names in by_place.items())


def _places(struct: type[msgspec.Struct]) -> set[str]:
    """Return where a request has what ``struct`` names, as the code that reads it says."""
    source = inspect.getsource(sys.modules[struct.__module__])
    named = rf"\b{struct.__name__}\b"
    in_query = re.search(rf"(?:from_query|read_params)\([\w.]+, {named}", source)
    in_body = re.search(rf"(?:from_json\(.*, |read_params\(\w+, ){named}", source)
    return {"query", "JSON"} if in_query and in_body else {"query"} if in_query else {"JSON"}


def _read(handler: Callable[..., Any]) -> list[type[msgspec.Struct]]:
    """Return what ``handler`` reads of a request: the structures that it, or what it calls in its module, names."""
    return list(dict.fromkeys(_named(handler, handler.__module__, _MOST_CALLS)))


def _named(function: Any, module: str, calls: int) -> Iterator[type[msgspec.Struct]]:
    for name in function.__code__.co_names:
        found = function.__globals__.get(name)
        found = getattr(found, "__wrapped__", found)  # a cache around a function
        if getattr(found, "__module__", None) != module:
            continue
        if isinstance(found, type) and issubclass(found, msgspec.Struct):
            yield found
        elif isinstance(found, types.FunctionType) and calls:
            yield from _named(found, module, calls - 1)
