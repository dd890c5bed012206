from typing import Any

import pyarrow as pa
import pytest

from engine.errors import QueryError
from engine.query.parameters import bind_parameters


@pytest.mark.parametrize(
    ("value", "scalar"),
    [
        (None, pa.scalar(None)),
        (True, pa.scalar(True)),
        (0, pa.scalar(0, pa.uint64())),
        (2**64 - 1, pa.scalar(2**64 - 1, pa.uint64())),
        (2**64, pa.scalar(float(2**64))),
        (-1, pa.scalar(-1, pa.int64())),
        (-(2**63), pa.scalar(-(2**63), pa.int64())),
        (-(2**63) - 1, pa.scalar(-float(2**63))),
        (1.5, pa.scalar(1.5)),
        ("a", pa.scalar("a")),
    ],
)
def test_values_have_the_types_of_server_api_4_3(value: Any, scalar: pa.Scalar) -> None:
    bound = bind_parameters({"p": value})["p"]
    assert bound.type == scalar.type
    assert bound.as_py() == scalar.as_py()


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x"], ids=str)
def test_arrays_and_objects_are_refused(value: Any) -> None:
    with pytest.raises(QueryError, match=f"parameter 'p' is a {type(value).__name__}"):
        bind_parameters({"p": value})
