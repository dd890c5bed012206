import json
import re

import pytest

from engine.model.tokens import OfflineToken, create_token, decode_offline_token, encode_offline_token

SECRET = "apiv3_secret"


def test_new_token_has_the_products_form() -> None:  # S138
    text = create_token()
    assert re.fullmatch(r"apiv3_[A-Za-z0-9_-]{86}", text)
    assert create_token() != text


@pytest.mark.parametrize(
    ("offline", "keys"),
    [
        (OfflineToken(SECRET), ["token", "name"]),
        (OfflineToken(SECRET, "ü\n", 5), ["token", "name", "expiry_millis"]),
    ],
)
def test_a_token_file_is_read_as_it_was_written(offline: OfflineToken, keys: list[str]) -> None:
    content = encode_offline_token(offline)
    assert list(json.loads(content)) == keys
    assert decode_offline_token(content) == offline
    assert SECRET not in repr(offline)


def test_a_token_file_needs_no_name_and_may_hold_more() -> None:
    assert decode_offline_token(b'{"token": "apiv3_x", "more": 1}') == OfflineToken("apiv3_x", "_admin")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected JSON"),
        (b"apiv3_secret", "expected JSON"),
        (b'{"token": "apiv3_secret"', "expected JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (b'["apiv3_secret"]', "expected a JSON object"),
        (b'{"name": "_admin"}', "'token' must be a text that begins with apiv3_"),
        (b'{"token": "secret"}', "'token' must be a text that begins with apiv3_"),
        (b'{"token": "apiv3_secret\\n"}', "'token' must have printable ASCII"),
        (b'{"token": "apiv3_se cret"}', "'token' must have printable ASCII"),
        (b'{"token": "apiv3_secret", "name": ""}', "'name' must be"),
        (b'{"token": "apiv3_secret", "expiry_millis": "1h"}', "'expiry_millis' must be"),
        (b'{"token": "apiv3_secret", "expiry_millis": true}', "'expiry_millis' must be"),
    ],
)
def test_what_is_no_token_file_is_told_without_the_token(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(reason)) as caught:
        decode_offline_token(content)
    assert "secret" not in str(caught.value)
