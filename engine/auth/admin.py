"""The tokens of a server: made, given a new text, taken out, and asked for with each request."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.auth.offline import read_token_file
from engine.auth.tokens import check_token, hash_token, presented_token
from engine.catalog.catalog import Catalog
from engine.catalog.changes import Change, CreateToken, DeleteToken, ReplaceTokenHash
from engine.catalog.state import OPERATOR_TOKEN
from engine.clock import Clock
from engine.errors import NotFound
from engine.model.durations import NS_PER_SECOND
from engine.model.tokens import create_token

logger = logging.getLogger(__name__)

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made; its text is shown once and kept nowhere."""

    token_id: int
    name: str
    token: str = field(repr=False)
    hash: str
    created_ns: int
    expires_ns: int | None


class Tokens:
    """The tokens that the catalog holds; with ``is_open`` nobody needs one."""

    def __init__(self, catalog: Catalog, clock: Clock, *, is_open: bool) -> None:
        self._catalog = catalog
        self._clock = clock
        self._is_open = is_open

    def authenticate(self, authorization: bytes | None, query_token: str | None = None) -> int | None:
        """Accept a request that presents a valid token, and return its id; where nobody needs one, ``None`` for all.

        Raises:
            Unauthorized: no valid token.
            AuthorizationMalformed: the header has none of the forms that are understood.
        """
        presented = presented_token(authorization, query_token)
        if self._is_open:
            return None
        return check_token(self._catalog.state.tokens, presented, self._clock.now_ns()).token_id

    def adopt(self, path: Path | None) -> None:
        """Make the token of a token file valid, unless there is one of its name; nothing where nobody needs a token.

        Raises:
            TokenFileUnusable: the file is not there, or holds no token.
        """
        if path is None or self._is_open:
            return
        offline = read_token_file(path)
        if self._catalog.state.token(offline.name) is not None:
            logger.info("token file %s ignored: there is a token %r already", path, offline.name)
            return
        expires_ns = None if offline.expiry_ms is None else offline.expiry_ms * _NS_PER_MS
        self._catalog.apply(CreateToken(offline.name, hash_token(offline.token), expires_ns))
        logger.info("token %r taken over from %s", offline.name, path)
        if expires_ns is not None and expires_ns <= self._clock.now_ns():
            logger.warning("token %r of %s has expired: it opens nothing", offline.name, path)

    def create_admin(self) -> NewToken:
        """Make the operator token, once."""
        return self._make(OPERATOR_TOKEN, lambda hashed: CreateToken(OPERATOR_TOKEN, hashed))

    def create_named(self, name: str, expiry_s: int | None, by: int | None = None) -> NewToken:
        """Make a further admin token that is valid for ``expiry_s`` seconds (``None``: for ever).

        ``by`` is the id of the token that asks for it.
        """
        expires_ns = None if expiry_s is None else self._clock.now_ns() + expiry_s * NS_PER_SECOND
        return self._make(name, lambda hashed: CreateToken(name, hashed, expires_ns, by))

    def regenerate_admin(self, by: int | None = None) -> NewToken:
        """Give the operator token a new text; ``by``: see ``create_named``."""
        return self._make(OPERATOR_TOKEN, lambda hashed: ReplaceTokenHash(OPERATOR_TOKEN, hashed, by))

    def delete(self, name: str) -> None:
        """Take a token out."""
        self._catalog.apply(DeleteToken(name))

    def _make(self, name: str, change: Callable[[str], Change]) -> NewToken:
        text = create_token()
        stored = self._catalog.apply(change(hash_token(text))).token(name)
        if stored is None:
            raise NotFound(f"the requested resource was not found: {name}")
        return NewToken(stored.token_id, name, text, stored.hash, stored.created_ns, stored.expires_ns)
