"""What can be said of source without running it."""

import pytest

from engine.plugins.inspection import LONGEST_SOURCE, inspect_source


@pytest.mark.parametrize(
    "text",
    [
        "def process_writes(a, b): pass",
        "async def process_writes(a, b): pass",
        "class process_writes: pass",
        "process_writes = print",
        "process_writes: object = print",
        "from .work import process_writes",
        "from .work import run as process_writes",
        "import process_writes.sub",
        "if True:\n    pass\nelse:\n    def process_writes(a, b): pass",
        "try:\n    import x\nexcept ImportError:\n    process_writes = None",
        "with open('x') as process_writes: pass",
        "for process_writes in (): pass",
        "(process_writes := print)",
    ],
)
def test_names_are_found_however_they_are_bound(text: str) -> None:
    look = inspect_source(text)
    assert "process_writes" in look.names
    assert look.is_complete


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    def process_writes(): pass",
        "class C:\n    def process_writes(self): pass",
        "[process_writes for process_writes in ()]",
        "lambda: (process_writes := 1)",
        "print(process_writes)",
        "",
    ],
)
def test_names_of_inner_scopes_are_not_those_of_the_module(text: str) -> None:
    assert "process_writes" not in inspect_source(text).names


@pytest.mark.parametrize("text", ["from .work import *", "exec('x')", "globals()['f'] = 1", "def __getattr__(n): pass"])
def test_what_nobody_can_know_is_not_called_complete(text: str) -> None:
    assert not inspect_source(text).is_complete


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax (<string>, line 1)"),
        ("x = 1\n  y = 2\n", "IndentationError: unexpected indent (<string>, line 2)"),
        ("return 1", "SyntaxError: 'return' outside function (<string>, line 1)"),
        ("x = '\0'", "SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_source_that_does_not_compile_is_told_as_python_tells_it(text: str, problem: str) -> None:
    found = inspect_source(text).problem or ""
    assert found.replace("ValueError: source", "SyntaxError: source") == problem  # as older Pythons call it


@pytest.mark.parametrize("text", ["(" * 5000 + ")" * 5000, "-" * 50_000 + "1"])
def test_source_too_deep_for_python_is_a_problem_like_any_other(text: str) -> None:
    assert inspect_source(text).problem is not None


def test_endless_text_is_not_looked_into() -> None:
    look = inspect_source("x" * (LONGEST_SOURCE + 1))
    assert (look.problem, look.is_complete) == (None, False)
