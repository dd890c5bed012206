"""Parquet files that are not on this machine as a table of DataFusion: each is fetched when its rows are read, not before.

Files of other times than those that a filter asks for are not fetched. A query reads two of them at a time, so what it
needs of the disk does not grow with the table.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds  # noqa: TID253 - this module is imported when a file is absent
from pyarrow.fs import LocalFileSystem

from engine.columns import compute as pc
from engine.model.schema import TIME_COLUMN
from engine.storage.objects import AbsentFile

AT_ONCE = 2
"""So many files are read side by side."""

_FORMAT = ds.ParquetFileFormat()
_PLACE = LocalFileSystem()


def absent_files(files: Sequence[AbsentFile], schema: pa.Schema) -> ds.Dataset:
    """Return ``files`` as a dataset whose rows have the columns of ``schema``."""
    fragments = [_fragment(number, file) for number, file in enumerate(files)]
    return _Absent(fragments, schema, _FORMAT, _PLACE).of(files)


class _Absent(ds.FileSystemDataset):  # type: ignore[misc]  # no types are published
    """What DataFusion asks for fragments, each of which it reads in a thread."""

    def of(self, files: Sequence[AbsentFile]) -> "_Absent":
        """Let ``files`` be what is read: as many as there are fragments."""
        self._files = files
        return self

    def get_fragments(self, filter: ds.Expression | None = None) -> list["_Part"]:
        """Return the files that may hold rows of ``filter``, in ``AT_ONCE`` parts."""
        found = super().get_fragments() if filter is None else super().get_fragments(filter)
        files = [self._files[int(fragment.path)] for fragment in found]
        return [_Part(files[start::AT_ONCE]) for start in range(min(AT_ONCE, len(files)))] or [_Part([])]


class _Part:
    """Files that are read one after the other."""

    def __init__(self, files: Sequence[AbsentFile]) -> None:
        self._files = files

    def scanner(self, schema: pa.Schema, **options: Any) -> "_Scan":
        """Return what reads the files; see ``pyarrow.dataset.Fragment.scanner``."""
        return _Scan(self._files, schema, options)


class _Scan:
    """See ``pyarrow.dataset.Scanner``, of which DataFusion uses this much."""

    def __init__(self, files: Iterable[AbsentFile], schema: pa.Schema, options: Mapping[str, Any]) -> None:
        self._files = files
        self._schema = schema
        self._options = options

    @property
    def projected_schema(self) -> pa.Schema:
        """Return the columns of the rows."""
        columns = self._options.get("columns")
        return self._schema if columns is None else pa.schema([self._schema.field(name) for name in columns])

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; a file that is lost has none."""
        for file in self._files:
            with file.held() as path:
                if path is None:
                    continue
                options = {**self._options, "filter": _without(self._options.get("filter"), file)}
                yield from _FORMAT.make_fragment(str(path), _PLACE).scanner(self._schema, **options).to_batches()


def _fragment(number: int, file: AbsentFile) -> ds.Fragment:
    """Return what stands for a file while it is chosen: its times, and its number for a name."""
    time = pc.field(TIME_COLUMN)
    times = (time >= _time(file.min_time)) & (time <= _time(file.max_time))
    return _FORMAT.make_fragment(str(number), _PLACE, partition_expression=times)


def _without(wanted: ds.Expression | None, file: AbsentFile) -> ds.Expression | None:
    """Return ``wanted`` without the times of ``file`` that are not to be read."""
    time = pc.field(TIME_COLUMN)
    for first, last in file.excluded:
        outside = (time < _time(first)) | (time > _time(last))
        wanted = outside if wanted is None else wanted & outside
    return wanted


def _time(ns: int) -> pa.Scalar:
    return pa.scalar(ns, pa.timestamp("ns"))
