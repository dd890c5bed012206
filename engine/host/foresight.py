"""Tells from a plugin's code whether its rows may wait until they are asked for."""

import ast
import sys
from collections.abc import Iterator

OWN_MODULES = frozenset({"influxdb3_plugin", "influxdb3_pe"})
LOADERS = frozenset({"importlib", "pkgutil", "runpy", "imp", "ctypes"})
"""With these, code can reach modules that it does not name."""

KNOWN_MODULES = (sys.stdlib_module_names - LOADERS) | OWN_MODULES


def rows_may_wait(source: str, own_name: str = "") -> bool:
    """Return whether a plugin with this code, one file of it, sees no difference if its rows are made when it asks.

    All of Python's own library asks the batch for its rows. Libraries in C may read the memory of a dict instead –
    orjson does – and find rows that are not there yet. So a plugin that imports any package gets rows made beforehand,
    unless it knows the other way to read them, ``to_arrow``.

    Args:
        source: the text of the file.
        own_name: the name of the package that the file belongs to.
    """
    if "to_arrow" in source:
        return True
    if "__import__" in source:
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # it is told when the code is compiled
    return all(name in KNOWN_MODULES or name == own_name for name in _imported(tree))


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level names that are imported absolutely anywhere in ``tree``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
