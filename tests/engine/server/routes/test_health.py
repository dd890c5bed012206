from hypothesis import given
from hypothesis import strategies as st

from engine.server.routes.health import time_ordered_uuid


@given(st.integers(0, 2**48 * 10**6 - 1), st.integers(0, 2**74 - 1))
def test_a_request_id_is_a_uuid_of_version_7(now_ns: int, random: int) -> None:
    made = time_ordered_uuid(now_ns, random)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == now_ns // 1_000_000


def test_later_request_ids_are_greater() -> None:
    assert time_ordered_uuid(1_000_000, 2**74 - 1) < time_ordered_uuid(2_000_000, 0)
