"""Reads the file with which an operator brings the first token."""

import logging
import stat
from pathlib import Path

from engine.errors import InvalidRequest
from engine.model.tokens import OfflineToken, decode_offline_token

logger = logging.getLogger(__name__)

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class TokenFileUnusable(InvalidRequest):
    """The file of the first token cannot be read, or holds none."""


def read_token_file(path: Path) -> OfflineToken:
    """Return the token in the file ``path``; a file that others may read is used, with a warning.

    Raises:
        TokenFileUnusable: the text says why, without the token.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_bytes()
    except OSError as error:
        raise TokenFileUnusable(f"--admin-token-file {path}: {error.strerror or error}") from error
    try:
        offline = decode_offline_token(content)
    except ValueError as error:
        raise TokenFileUnusable(f"--admin-token-file {path}: {error}") from None  # the cause holds the token
    if mode & _OTHERS:
        logger.warning("others may read the token file %s (mode %03o): chmod 600 %s", path, mode, path)
    return offline
