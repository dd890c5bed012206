"""Who may come in, before any endpoint is looked for."""

from engine.runtime import Engine
from engine.server.errors import TokensOff
from engine.server.params import query_pairs
from engine.server.requests import Request

TOKEN_PATHS = "/api/v3/configure/token"
FIRST_TOKEN_PATH = f"{TOKEN_PATHS}/admin"
REGENERATE_PATH = f"{FIRST_TOKEN_PATH}/regenerate"

OPENABLE_PATHS = {
    "health": ("/health", "/api/v1/health"),
    "ping": ("/ping",),
    "metrics": ("/metrics",),
    "ready": ("/ready",),
    "pprof": ("/debug/pprof/heap",),
    "node_stop": (),
}
"""What each word of ``--disable-authz`` opens."""

QUERY_TOKEN_PATHS = frozenset({"/write", "/query"})
"""The endpoints of version 1, whose clients send a token as the password: parameter ``p``."""


class Access:
    """The judge of requests: who may come in, by the tokens of ``engine`` and what its settings open."""

    def __init__(self, engine: Engine) -> None:
        self._tokens = engine.tokens
        self._has_tokens = not engine.settings.without_auth
        opened = (path for word in engine.settings.disable_authz for path in OPENABLE_PATHS[word])
        self._open_paths = frozenset((*opened, FIRST_TOKEN_PATH))

    def check(self, request: Request) -> None:
        """Accept ``request``, by its token unless the path is open to everybody.

        Raises:
            TokensOff: it would manage tokens, and the server does without.
            Unauthorized, AuthorizationMalformed: see ``Tokens.authenticate``.
        """
        if not self._has_tokens and request.path.startswith(TOKEN_PATHS):
            raise TokensOff
        if request.path not in self._open_paths:
            self._tokens.authenticate(request.header(b"authorization"), _query_token(request))


def _query_token(request: Request) -> str | None:
    """Return the token in the query string, ``None`` where there is none or the path allows none.

    Of several the last one counts; an empty password is none.
    """
    if request.path not in QUERY_TOKEN_PATHS:
        return None
    return dict(query_pairs(request.query)).get("p") or None
