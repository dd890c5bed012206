"""Keeps pandas out of a process that does not need it: pyarrow loads it where it is installed."""

import sys
from importlib.abc import MetaPathFinder

import pyarrow as pa


class _Refusing(MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


def leave_out_pandas() -> None:
    """Have pyarrow find no pandas when it makes its first array, which takes 32 MB and a quarter of a second.

    Who asks for pandas later, by an import or by ``to_pandas``, still gets it. To be called before there is an array.
    """
    refusing = _Refusing()
    sys.meta_path.insert(0, refusing)
    try:
        pa.array([None])  # it looks once, and again only where somebody wants objects of pandas
    finally:
        sys.meta_path.remove(refusing)
