"""Checklist B7: how plugins put lines together; each is made inside a plugin."""

from collections.abc import Callable, Iterator

import pytest

from tests.conformance.checklist import row
from tests.support.scene import REQUESTS, Scene
from tests.support.web import Web

EVALUATE = (
    REQUESTS
    + """
    try:
        return {"text": eval(request_body.decode())}
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}
"""
)
Evaluate = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def evaluate(server: Web) -> Iterator[Evaluate]:
    """A function that evaluates an expression in a plugin."""
    scene = Scene(server)
    target = scene.endpoint(EVALUATE)
    yield lambda expression: server.post(target, content=expression.encode()).json()
    scene.close()


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        pytest.param(
            'LineBuilder("some_table").tag("tag1","tag1_value").tag("tag2","tag2_value").int64_field("field1",1)'
            '.float64_field("field2",2.0).string_field("field3","number three").build()',
            'some_table,tag1=tag1_value,tag2=tag2_value field1=1i,field2=2.0,field3="number three"',
            id="B7.1",
        ),
        pytest.param(
            'LineBuilder("other_table").int64_field("other_field",1).float64_field("other_field2",3.14)'
            ".time_ns(1302).build()",
            "other_table other_field=1i,other_field2=3.14 1302",
            id="B7.2",
        ),
        pytest.param(
            'LineBuilder("t").uint64_field("f2",20).bool_field("f3",True).build()', "t f2=20u,f3=t", id="B7.3"
        ),
        pytest.param('LineBuilder("t").bool_field("f3",False).build()', "t f3=f", id="B7.3 false"),
        pytest.param('LineBuilder("a,b").int64_field("f",1).build()', r"a\,b f=1i", id="B7.4 a comma"),
        pytest.param(
            'LineBuilder("t").tag("k","a b,c=d").int64_field("f",1).build()', r"t,k=a\ b\,c\=d f=1i", id="B7.7"
        ),
        pytest.param(
            r"""LineBuilder("t").string_field("s",'say "hi" \\ there').build()""",
            r't s="say \"hi\" \\ there"',
            id="B7.8",
        ),
    ],
)
def test_lines(evaluate: Evaluate, expression: str, line: str) -> None:
    assert evaluate(expression) == {"text": line}


@pytest.mark.parametrize(
    ("expression", "kind", "text"),
    [
        pytest.param(
            'LineBuilder("a b")', "InvalidMeasurementError", "Measurement name cannot contain spaces", id="B7.4 a blank"
        ),
        *(
            pytest.param(
                f'LineBuilder("t").{call.format(key)}',
                "InvalidKeyError",
                f"{kind} key {text}",
                id=f"B7.5 {kind} {name}",
            )
            for kind, call in (
                ("tag", 'tag("{}","v")'),
                ("field", 'int64_field("{}",1)'),
                ("field", 'string_field("{}","v")'),
            )
            for name, key, text in (
                ("empty", "", "cannot be empty"),
                ("blank", "a b", "'a b' cannot contain spaces"),
                ("comma", "a,b", "'a,b' cannot contain commas"),
                ("equals", "a=b", "'a=b' cannot contain equals signs"),
            )
        ),
        pytest.param(
            'LineBuilder("t").uint64_field("a",-1)', "ValueError", "uint64 field 'a' cannot be negative", id="B7.6"
        ),
        pytest.param(
            'LineBuilder("some_table").build()',
            "InvalidLineError",
            "At least one field is required: some_table",
            id="B7.9",
        ),
        pytest.param(
            'LineBuilder("some_table").tag("a","b").build()',
            "InvalidLineError",
            "At least one field is required: some_table,a=b",
            id="B7.9 with a tag",
        ),
    ],
)
def test_what_is_refused(evaluate: Evaluate, expression: str, kind: str, text: str) -> None:
    assert evaluate(expression) == {"error": kind, "text": text}


@row("B7.9")
def test_a_line_without_field_fails_the_run_with_its_name(scene: Scene) -> None:
    answer = scene.ask("influxdb3_local.write(LineBuilder('some_table'))")
    text = "Python function call failed: InvalidLineError: At least one field is required: some_table"
    assert (answer.status_code, answer.json()) == (500, {"error": text})


ODD = ["a b,c=d", "back\\slash", "ümlaut ✓"]


@row("B7.7")
@pytest.mark.parametrize("value", ODD)
def test_a_tag_is_read_as_it_was_given(scene: Scene, value: str) -> None:
    scene.told(f"influxdb3_local.write(LineBuilder('t').tag('k', {value!r}).int64_field('f', 1))\nreturn []")
    assert scene.rows("SELECT k FROM t") == [{"k": value}]


@row("B7.8")
@pytest.mark.parametrize("value", ['say "hi" \\ there', "two\nlines", '\\"', "", *ODD])
def test_a_string_is_read_as_it_was_given(scene: Scene, value: str) -> None:
    scene.told(f"influxdb3_local.write(LineBuilder('t').string_field('s', {value!r}))\nreturn []")
    assert scene.rows("SELECT s FROM t") == [{"s": value}]


@row("B7.10")
@pytest.mark.parametrize(
    "top",
    [
        "made = LineBuilder('m').int64_field('v', 1)\n",
        "try:\n    LineBuilder = LineBuilder\nexcept NameError:\n    LineBuilder = None\n"
        "made = LineBuilder('m').int64_field('v', 1)\n",
        "try:\n    from influxdb3_pe import LineBuilder\nexcept ImportError:\n    pass\n"
        "made = LineBuilder('m').int64_field('v', 1)\n",
    ],
    ids=["bare", "by name", "after an import that fails"],
)
def test_it_is_there_without_import(scene: Scene, top: str) -> None:
    assert scene.told("return [made.build()]", top=top) == ["m v=1i"]


@row("B7.10")
def test_there_is_no_module_of_the_old_name(evaluate: Evaluate) -> None:
    told = evaluate("__import__('influxdb3_pe')")
    assert told["error"] in ("ImportError", "ModuleNotFoundError")
    assert evaluate("issubclass(ModuleNotFoundError, ImportError)") == {"text": True}
