"""``pyarrow.compute`` when it is needed."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.compute
import pytest

from engine.columns import compute as pc

LATE = ("pyarrow.compute", "importlib.metadata", "datafusion")


def test_its_functions_are_those_of_pyarrow() -> None:
    assert pc.min_max is pyarrow.compute.min_max
    assert pc.sum(pa.array([1, 2])).as_py() == 3


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(AttributeError, match="no_such_function"):
        _ = pc.no_such_function


@pytest.mark.process
def test_a_server_starts_without_it() -> None:
    code = f"import sys, engine.runtime, engine.server.app; print([name for name in {LATE} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
