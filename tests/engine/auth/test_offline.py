import logging
from pathlib import Path

import pytest

from engine.auth.offline import TokenFileUnusable
from engine.auth.tokens import hash_token
from engine.model.tokens import OfflineToken, encode_offline_token
from tests.support.clock import ManualClock
from tests.support.engines import open_engine

TEXT = "apiv3_of-the-operator"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token.json"
    path.touch(0o600)
    return path


def hashes(tmp_path: Path, file: Path, **settings: bool) -> dict[str, str]:
    """Return the tokens that an engine has after a start with a token file."""
    changes = {"without_auth": False} | settings
    with open_engine(tmp_path, admin_token_file=file, **changes) as engine:
        return {token.name: token.hash for token in engine.catalog.state.tokens}


def test_the_token_is_taken_over_at_the_first_start_only(tmp_path: Path, file: Path) -> None:
    file.write_bytes(encode_offline_token(OfflineToken(TEXT)))
    assert hashes(tmp_path, file) == {"_admin": hash_token(TEXT)}
    file.write_bytes(encode_offline_token(OfflineToken("apiv3_another")))
    assert hashes(tmp_path, file) == {"_admin": hash_token(TEXT)}
    file.write_bytes(encode_offline_token(OfflineToken("apiv3_named", "ops")))
    assert hashes(tmp_path, file) == {"_admin": hash_token(TEXT), "ops": hash_token("apiv3_named")}


def test_without_authentication_the_file_is_not_read(tmp_path: Path, file: Path) -> None:
    file.write_text("nonsense")
    assert hashes(tmp_path, file, without_auth=True) == {}


def test_the_token_of_a_file_expires(tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    now_ms = clock.now_ns() // 10**6
    file.write_bytes(encode_offline_token(OfflineToken(TEXT, expiry_ms=now_ms)))
    with open_engine(tmp_path, clock=clock, admin_token_file=file, without_auth=False) as engine:
        assert [t.is_valid_at(clock.now_ns()) for t in engine.catalog.state.tokens] == [False]
        assert "has expired" in caplog.text
        engine.tokens.regenerate_admin()
        assert [t.is_valid_at(clock.now_ns()) for t in engine.catalog.state.tokens] == [True]


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_read_is_told(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture, mode: int, is_told: bool
) -> None:
    file.write_bytes(encode_offline_token(OfflineToken(TEXT)))
    file.chmod(mode)
    caplog.set_level(logging.INFO)
    assert hashes(tmp_path, file) == {"_admin": hash_token(TEXT)}
    assert ("others may read the token file" in caplog.text) == is_told
    assert TEXT not in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"{}", "'token' must be a text that begins")]
)
def test_a_bad_file_stops_the_start_and_the_next_start_is_free(
    tmp_path: Path, file: Path, content: bytes | None, reason: str
) -> None:
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(TokenFileUnusable, match=f"^--admin-token-file {file}: {reason}"):
        hashes(tmp_path, file)
    file.write_bytes(encode_offline_token(OfflineToken(TEXT)))
    assert hashes(tmp_path, file) == {"_admin": hash_token(TEXT)}
