import pytest

from engine.errors import InvalidRequest
from engine.model.precision import Precision
from engine.server.routes.write import v1_params, v2_params, v3_params
from engine.write.service import WriteParams


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"db=foo", WriteParams("foo", Precision.AUTO)),
        (b"db=foo&precision=ms&no_sync=true", WriteParams("foo", Precision.MILLISECOND, True, True)),
        (b"precision=n&accept_partial=false&db=f%6Fo&org=x", WriteParams("foo", Precision.NANOSECOND, False)),
    ],
)
def test_version_3_says_how_to_write(query: bytes, params: WriteParams) -> None:
    assert v3_params(query) == params


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"bucket=foo", WriteParams("foo", Precision.NANOSECOND, False)),
        (b"org=o&bucket=foo/autogen&precision=s", WriteParams("foo/autogen", Precision.SECOND, False)),
        (b"bucket=foo&accept_partial=true&no_sync=true", WriteParams("foo", Precision.NANOSECOND, False)),
    ],
)
def test_version_2_takes_all_lines_or_none(query: bytes, params: WriteParams) -> None:
    assert v2_params(query) == params


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"db=foo", WriteParams("foo", Precision.NANOSECOND, False)),
        (b"db=foo&rp=bar&precision=ms&p=secret&u=me", WriteParams("foo/bar", Precision.MILLISECOND, False)),
        (b"rp=%22Bar%22&db=foo&consistency=all", WriteParams("foo/bar", Precision.NANOSECOND, False)),
        (b"db=foo&rp=autogen", WriteParams("foo", Precision.NANOSECOND, False)),
    ],
)
def test_version_1_names_database_and_retention_policy(query: bytes, params: WriteParams) -> None:
    assert v1_params(query) == params


def test_what_was_refused_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="missing field `db`"):
            v3_params(b"precision=s")
