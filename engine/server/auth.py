"""Who may come in, before any endpoint is looked for."""

from engine.runtime import Engine
from engine.server.errors import TokensOff
from engine.server.requests import Request

TOKEN_PATHS = "/api/v3/configure/token"
FIRST_TOKEN_PATH = f"{TOKEN_PATHS}/admin"

OPEN_PATHS = frozenset({"/health", "/api/v1/health", "/ping", FIRST_TOKEN_PATH})


def check_access(engine: Engine, request: Request) -> None:
    """Accept ``request``, by its token unless the path is open to everybody.

    Raises:
        TokensOff: it would manage tokens, and the server does without.
        Unauthorized, AuthorizationMalformed: see ``Tokens.authenticate``.
    """
    if engine.settings.without_auth and request.path.startswith(TOKEN_PATHS):
        raise TokensOff
    if request.path not in OPEN_PATHS:
        engine.tokens.authenticate(request.header(b"authorization"))
