"""Which names a database may have."""

import re

from engine.errors import InvalidRequest, QueryError

MOST_BYTES = 511

_FIRST = re.compile(r"[A-Za-z0-9]")
_ALLOWED = re.compile(r"[A-Za-z0-9_/-]*")
_ALSO_IN_QUERIES = frozenset("/_-")


def check_database_name(name: str) -> None:
    """Accept the ``name`` of a database that is written to or created, ``<database>/<retention policy>`` included.

    Raises:
        InvalidRequest: the text says which rule the name breaks.
    """
    if not name:
        raise InvalidRequest("db name cannot be empty")
    if len(name.encode(errors="surrogatepass")) > MOST_BYTES:
        raise InvalidRequest(f"db name too long: max {MOST_BYTES}")
    if name[0].isascii() and not _FIRST.match(name):
        raise InvalidRequest("db name did not start with a number or letter")
    if not _ALLOWED.fullmatch(name):
        raise InvalidRequest(
            "invalid character in database or rp name: must be ASCII, "
            "containing only letters, numbers, underscores, or hyphens"
        )
    if name.count("/") > 1 or name.endswith("/"):
        raise InvalidRequest(
            "db name with invalid retention policy, if providing a retention policy name, "
            "must be of form '<db_name>/<rp_name>'"
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
    for number, character in enumerate(name):
        if not character.isalnum() and character not in _ALSO_IN_QUERIES:
            raise QueryError(
                f"invalid database name provided: database name '{name}' contains invalid character, "
                f"character number {number} is not allowed"
            )
