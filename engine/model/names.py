"""Which names a database may have."""

import re

from engine.errors import DatabaseNameError, QueryError

MOST_BYTES = 511
MOST_BUCKET_BYTES = 64

_FIRST = re.compile(r"[A-Za-z0-9]")
_ALLOWED = re.compile(r"[A-Za-z0-9_/-]*")
_ALSO_ALLOWED = frozenset("/_-")


def check_database_name(name: str) -> None:
    """Accept the ``name`` of a database that is written to or created, ``<database>/<retention policy>`` included.

    Raises:
        DatabaseNameError: the text says which rule the name breaks.
    """
    if not name:
        raise DatabaseNameError("db name cannot be empty")
    if len(name.encode(errors="surrogatepass")) > MOST_BYTES:
        raise DatabaseNameError(f"db name too long: max {MOST_BYTES}")
    if name[0].isascii() and not _FIRST.match(name):
        raise DatabaseNameError("db name did not start with a number or letter")
    if not _ALLOWED.fullmatch(name):
        raise DatabaseNameError(
            "invalid character in database or rp name: must be ASCII, "
            "containing only letters, numbers, underscores, or hyphens"
        )
    if name.count("/") > 1 or name.endswith("/"):
        raise DatabaseNameError(
            "db name with invalid retention policy, if providing a retention policy name, "
            "must be of form '<db_name>/<rp_name>'"
        )


def check_bucket_name(name: str) -> None:
    """Accept the ``name`` of a database as the endpoints of older versions take it; ``check_database_name`` follows.

    Raises:
        DatabaseNameError: the text counts the characters from 0.
    """
    if not 1 <= len(name.encode(errors="surrogatepass")) <= MOST_BUCKET_BYTES:
        raise DatabaseNameError(f"namespace name {name} length must be between 1 and {MOST_BUCKET_BYTES} characters")
    odd = _first_odd_character(name)
    if odd is not None:
        raise DatabaseNameError(
            f"namespace name '{name}' contains invalid character, character number {odd} is not allowed"
        )


def check_query_database_name(name: str) -> None:
    """Accept the ``name`` of a database that a plugin queries: a wider rule, so that names of deleted databases pass.

    Raises:
        QueryError: the text counts the characters from 0.
    """
    if not 1 <= len(name.encode(errors="surrogatepass")) <= MOST_BYTES:
        raise QueryError(
            f"invalid database name provided: database name {name} length must be between 1 and {MOST_BYTES} characters"
        )
    odd = _first_odd_character(name)
    if odd is not None:
        raise QueryError(
            f"invalid database name provided: database name '{name}' contains invalid character, "
            f"character number {odd} is not allowed"
        )


def _first_odd_character(name: str) -> int | None:
    """Return where the first character stands that is neither letter nor digit nor one of a few others."""
    return next((at for at, c in enumerate(name) if not c.isalnum() and c not in _ALSO_ALLOWED), None)
