import collections
import copy
import ctypes
import io
import json
import operator
import pickle
import pprint
import string
import threading
import types
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from engine.host.table_batch import Row, TableBatch, UnreadRows

ROWS = [{"host": "a", "v": 1, "time": 1}, {"host": None, "v": 2, "time": 2}]
PLAIN = {"table_name": "cpu", "rows": ROWS}


class Stored:
    """Rows that are counted when they are made."""

    def __init__(self) -> None:
        self.made = 0

    def rows(self) -> list[Row]:
        self.made += 1
        return [dict(row) for row in ROWS]

    def to_arrow(self) -> pa.Table:
        return pa.table({"v": [1, 2]})


def keywords(**given: Any) -> dict[str, Any]:
    return given


def matched(batch: TableBatch) -> Any:
    match batch:
        case {"rows": rows, **rest}:
            return rest | {"rows": rows}


def matched_rest(batch: TableBatch) -> Any:
    match batch:
        case {"table_name": name, **rest}:
            return {"table_name": name} | rest


def executed(batch: TableBatch) -> Any:
    exec("found = {'table_name': table_name, 'rows': rows}", {}, space := collections.ChainMap({}, batch))
    return space["found"]


def updated(batch: TableBatch) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": []}
    found.update(batch)
    return found


def updated_in_place(batch: TableBatch) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": []}
    found |= batch
    return found


def written_json(batch: TableBatch) -> Any:
    json.dump(batch, text := io.StringIO())
    return json.loads(text.getvalue())


def pickled(batch: TableBatch) -> Any:
    pickle._dump(batch, data := io.BytesIO())  # type: ignore[attr-defined] # the one that is written in Python
    return pickle.loads(data.getvalue())


def in_order(pairs: Any) -> dict[str, Any]:
    return dict(iter(pairs))


WAYS: dict[str, Callable[[TableBatch], Any]] = {
    "[]": lambda b: {"table_name": b["table_name"], "rows": b["rows"]},
    "get": lambda b: {"table_name": b.get("table_name"), "rows": b.get("rows")},
    "items": lambda b: in_order(b.items()),
    "values": lambda b: dict(zip(b.keys(), b.values(), strict=True)),
    "iteration": lambda b: {key: b[key] for key in b},
    "reversed": lambda b: {key: b[key] for key in reversed(b)},
    "dict": lambda b: dict(b),
    "dict with more": lambda b: dict(b, table_name="cpu"),
    "display": lambda b: {**b},
    "keywords": lambda b: keywords(**b),
    "comprehension": lambda b: {key: value for key, value in b.items()},  # noqa: C416 - that is what is tried
    "copy": lambda b: b.copy(),
    "dict.copy": lambda b: dict.copy(b),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "update": updated,
    "|=": updated_in_place,
    "|": lambda b: b | {},
    "| behind": lambda b: {"rows": []} | b,
    "| both": lambda b: b | b,
    "own |=": lambda b: operator.ior(b, {"table_name": "cpu"}),
    "pop": lambda b: {"rows": b.pop("rows"), "table_name": b.pop("table_name")},
    "popitem": lambda b: dict([b.popitem(), b.popitem()]),
    "setdefault": lambda b: {"rows": b.setdefault("rows", []), "table_name": b.setdefault("table_name", "")},
    "itemgetter": lambda b: dict(
        zip(("rows", "table_name"), operator.itemgetter("rows", "table_name")(b), strict=True)
    ),
    "repr": lambda b: eval(repr(b)),
    "str": lambda b: eval(str(b)),
    "f-string": lambda b: eval(f"{b}"),
    "repr inside": lambda b: eval(repr([b]))[0],
    "% format": lambda b: {"table_name": b"%(table_name)s".decode() % b, "rows": eval("%(rows)r" % b)},  # noqa: UP031
    "format_map": lambda b: {"table_name": "{table_name}".format_map(b), "rows": eval("{rows}".format_map(b))},
    "Template": lambda b: {"table_name": "cpu", "rows": eval(string.Template("$rows").substitute(b))},
    "pprint": lambda b: eval(pprint.pformat(b)),
    "json.dumps": lambda b: json.loads(json.dumps(b)),
    "json.dumps inside": lambda b: json.loads(json.dumps({"batches": [b]}))["batches"][0],
    "json.dumps indented": lambda b: json.loads(json.dumps(b, indent=2)),
    "json.dumps sorted": lambda b: json.loads(json.dumps(b, sort_keys=True)),
    "json.dump": written_json,
    "json in Python": lambda b: json.loads("".join(json.JSONEncoder(indent=1).iterencode(b))),
    "pickle": lambda b: pickle.loads(pickle.dumps(b)),
    "pickle 0": lambda b: pickle.loads(pickle.dumps(b, 0)),
    "pickle inside": lambda b: pickle.loads(pickle.dumps([b]))[0],
    "pickle in Python": pickled,
    "match": matched,
    "match rest": matched_rest,
    "OrderedDict": collections.OrderedDict,
    "UserDict": lambda b: collections.UserDict(b).data,
    "ChainMap": lambda b: dict(collections.ChainMap({}, b)),
    "defaultdict": lambda b: collections.defaultdict(list, b),
    "mapping proxy": lambda b: dict(types.MappingProxyType(b)),
    "namespace": lambda b: vars(types.SimpleNamespace(**b)),
    "exec": executed,
    "pylist": lambda b: {"table_name": "cpu", "rows": pa.Table.from_pylist([b])["rows"].to_pylist()[0]},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_read_a_batch_gives_its_rows(way: str) -> None:
    batch = TableBatch("cpu", Stored())
    assert WAYS[way](batch) == PLAIN


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(lambda batch: batch, PLAIN, id="batch"),
        pytest.param(lambda batch: [batch], [PLAIN], id="in-a-list"),
        pytest.param(lambda batch: {"b": batch}, {"b": PLAIN}, id="in-a-dict"),
        pytest.param(lambda batch: batch, TableBatch("cpu", Stored()), id="another-batch"),
    ],
)
def test_batch_equals_the_plain_dict_from_both_sides(left: Callable[[TableBatch], Any], right: Any) -> None:
    for first, second in ((0, 1), (1, 0)):
        sides = (left(TableBatch("cpu", Stored())), right)
        assert operator.eq(sides[first], sides[second])
        sides = (left(TableBatch("cpu", Stored())), right)
        assert not operator.ne(sides[first], sides[second])


@pytest.mark.parametrize("other", [PLAIN | {"rows": []}, {}, 1, TableBatch("cpu", [])])
def test_batch_differs_from_all_else(other: Any) -> None:
    for first, second in ((0, 1), (1, 0)):
        sides = (TableBatch("cpu", Stored()), other)
        assert operator.ne(sides[first], sides[second])
        sides = (TableBatch("cpu", Stored()), other)
        assert not operator.eq(sides[first], sides[second])


def test_it_is_a_dict_of_two_keys() -> None:
    batch = TableBatch("cpu", Stored())
    assert isinstance(batch, dict)
    assert list(batch) == list(batch.keys()) == ["table_name", "rows"]
    assert len(batch) == 2
    assert "rows" in batch
    assert "other" not in batch
    assert type(batch["rows"]) is list
    assert {type(row) for row in batch["rows"]} == {dict}
    with pytest.raises(KeyError):
        batch["other"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(batch)


def test_rows_are_made_when_they_are_asked_for_and_once() -> None:
    stored = Stored()
    batch = TableBatch("cpu", stored)
    names = [
        batch["table_name"],
        batch.get("table_name"),
        batch.setdefault("table_name", ""),
        batch.get("other", "cpu"),
        *(key for key in batch if key == "rows"),
        *sorted(batch.keys()),
    ]
    batch["table_name"] = "changed"
    batch.to_arrow()
    assert bool(batch)
    assert "rows" in batch
    assert names == ["cpu", "cpu", "cpu", "cpu", "rows", "rows", "table_name"]
    assert stored.made == 0
    rows = batch["rows"]
    rows.append({"v": 3})
    assert batch["rows"] is rows
    assert dict(batch)["rows"] is rows
    assert batch.copy()["rows"] is rows
    assert stored.made == 1


def test_plugin_may_change_its_batch() -> None:
    batch = TableBatch("cpu", Stored())
    batch["rows"] = []
    assert batch == {"table_name": "cpu", "rows": []}
    del batch["rows"]
    batch.update(more=1)
    assert (dict(batch), batch.get("rows")) == ({"table_name": "cpu", "more": 1}, None)
    batch.clear()
    assert not batch
    assert TableBatch("cpu", Stored()).pop("other", None) is None


def test_threads_share_the_rows() -> None:
    stored = Stored()
    batch = TableBatch("cpu", stored)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(batch["rows"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored.made == 1
    assert all(rows is found[0] for rows in found)


PAST_THE_METHODS: dict[str, Callable[[TableBatch], Any]] = {
    "dict.__getitem__": lambda batch: dict.__getitem__(batch, "rows"),
    "dict.get": lambda batch: dict.get(batch, "rows"),
    "dict.items": lambda batch: dict(dict.items(batch))["rows"],
    "dict.values": lambda batch: list(dict.values(batch))[1],
}


@pytest.mark.parametrize("way", PAST_THE_METHODS)
def test_what_is_seen_past_the_methods_is_a_sequence_of_the_rows(way: str) -> None:
    batch = TableBatch("cpu", Stored())
    seen = PAST_THE_METHODS[way](batch)
    assert list(seen) == ROWS
    assert (len(seen), seen[0], seen[-1:], seen, repr(seen)) == (2, ROWS[0], ROWS[1:], ROWS, repr(ROWS))
    assert pickle.loads(pickle.dumps(seen)) == ROWS
    assert batch["rows"] is not seen
    assert batch["rows"][0] is seen[0]


def test_c_code_that_reads_the_dict_in_memory_refuses_it_until_the_rows_are_there() -> None:
    batch = TableBatch("cpu", Stored())
    with pytest.raises(TypeError, match="UnreadRows"):
        msgspec.json.encode(batch)
    with pytest.raises(pa.ArrowInvalid, match="UnreadRows"):
        pa.array([batch])
    read = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    address = read(("PyDict_GetItemString", ctypes.pythonapi))(batch, b"rows")
    seen = ctypes.cast(address, ctypes.py_object).value  # the address is borrowed; this is a reference of our own
    assert (type(seen), list(seen)) == (UnreadRows, ROWS)
    assert batch["rows"] == ROWS
    assert msgspec.json.decode(msgspec.json.encode(batch)) == PLAIN
    assert pa.array([batch]).to_pylist() == [PLAIN]


def test_batch_made_by_hand_has_columns_too() -> None:
    """A test of a plugin needs no server."""
    batch = TableBatch("cpu", [{"host": "a", "time": 5}, {"host": "b", "v": 1.5, "time": 6}])
    table = batch.to_arrow()
    assert table.schema.names == ["host", "time", "v"]
    assert table.schema.field("time").type == pa.timestamp("ns")
    assert table["v"].to_pylist() == [None, 1.5]
    assert batch["rows"][0] == {"host": "a", "time": 5}
    assert TableBatch("cpu", []).to_arrow().num_rows == 0


def test_batch_has_its_two_values_as_attributes_too() -> None:
    stored = Stored()
    batch = TableBatch("cpu", stored)
    assert batch.table_name == "cpu"
    assert stored.made == 0
    assert batch.rows == ROWS
    assert batch.rows is batch["rows"]
    assert stored.made == 1
