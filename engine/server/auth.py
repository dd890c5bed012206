"""Who may come in, before any endpoint is looked for."""

from engine.runtime import Engine
from engine.server.errors import TokensOff
from engine.server.params import query_pairs
from engine.server.requests import Request

TOKEN_PATHS = "/api/v3/configure/token"
FIRST_TOKEN_PATH = f"{TOKEN_PATHS}/admin"

OPEN_PATHS = frozenset({"/health", "/api/v1/health", "/ping", FIRST_TOKEN_PATH})

QUERY_TOKEN_PATHS = frozenset({"/write", "/query"})
"""The endpoints of version 1, whose clients send a token as the password: parameter ``p``."""


def check_access(engine: Engine, request: Request) -> None:
    """Accept ``request``, by its token unless the path is open to everybody.

    Raises:
        TokensOff: it would manage tokens, and the server does without.
        Unauthorized, AuthorizationMalformed: see ``Tokens.authenticate``.
    """
    if engine.settings.without_auth and request.path.startswith(TOKEN_PATHS):
        raise TokensOff
    if request.path not in OPEN_PATHS:
        engine.tokens.authenticate(request.header(b"authorization"), _query_token(request))


def _query_token(request: Request) -> str | None:
    """Return the token in the query string, ``None`` where there is none or the path allows none.

    Of several the last one counts; an empty password is none.
    """
    if request.path not in QUERY_TOKEN_PATHS:
        return None
    return dict(query_pairs(request.query)).get("p") or None
