"""Values for the ``$name`` placeholders of a query, typed as InfluxDB types what JSON gives."""

from collections.abc import Mapping

import pyarrow as pa

from engine.errors import QueryError

ParameterValue = str | int | float | bool | None

MOST_UNSIGNED = 2**64 - 1
LEAST_SIGNED = -(2**63)

_UNNAMED = {" ": pa.scalar(None)}
"""No placeholder can have this name. DataFusion only checks that placeholders have values when it is given any."""


def bind_parameters(params: Mapping[str, ParameterValue]) -> dict[str, pa.Scalar]:
    """Return the values as Arrow scalars: whole numbers from 0 on unsigned, negative ones signed.

    Raises:
        QueryError: a value is neither null, a boolean, a number nor a string.
    """
    return _UNNAMED | {name: _scalar(name, value) for name, value in params.items()}


def _scalar(name: str, value: ParameterValue) -> pa.Scalar:
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole_number(value)
    if value is None or isinstance(value, bool | float | str):
        return pa.scalar(value)
    raise QueryError(f"parameter '{name}' is a {type(value).__name__}, allowed are null, booleans, numbers and strings")


def _whole_number(value: int) -> pa.Scalar:
    if 0 <= value <= MOST_UNSIGNED:
        return pa.scalar(value, pa.uint64())
    if LEAST_SIGNED <= value < 0:
        return pa.scalar(value, pa.int64())
    return pa.scalar(float(value))
