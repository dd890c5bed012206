"""The reference of endpoints, from the server's table of routes."""

from docs.generator.markdown import code, docstring, table
from engine.server.app import ROUTES
from engine.server.auth import FIRST_TOKEN_PATH, OPENABLE_PATHS
from engine.server.routes import plugin_requests


def markdown() -> str:
    """Return a table with a line for each method and path."""
    plugins = {(method, f"{plugin_requests.PREFIX}PATH"): r for method, r in plugin_requests.ROUTES_BELOW.items()}
    routes = sorted({**ROUTES, **plugins}.items(), key=lambda item: (item[0][1], item[0][0]))
    rows = [(method, code(path), docstring(route.handler.__doc__), _open(path)) for (method, path), route in routes]
    return table(("Method", "Path", "What it does", "Without a token"), rows)


def _open(path: str) -> str:
    if path == FIRST_TOKEN_PATH:
        return "yes"
    return next((f"if `--disable-authz` names `{word}`" for word, paths in OPENABLE_PATHS.items() if path in paths), "")
