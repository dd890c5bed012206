import pytest

from engine.errors import EngineError, QueryError, QueryFailed, QueryNotSupported
from engine.query.failures import classify, executing, planning


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error during planning: table 'public.iox.cpu' not found", QueryError),
        ('SQL error: ParserError("…")', QueryError),
        ("This feature is not implemented: TOP", QueryNotSupported),
        ("type_coercion\ncaused by\nError during planning: no common type", QueryError),
        ("a\ncaused by\nb\ncaused by\nThis feature is not implemented: X", QueryNotSupported),
        ("Schema error: No field named nope", QueryFailed),
        ("Optimizer rule 'x' failed\ncaused by\nArrow error: Cast error", QueryFailed),
        ("Resources exhausted: Failed to allocate", QueryFailed),
        ("Execution error: the text Error during planning: is inside", QueryFailed),
    ],
)
def test_the_innermost_cause_decides_the_class(text: str, kind: type[EngineError]) -> None:
    error = classify(text, "while running: ")
    assert type(error) is kind
    assert str(error) == ("while running: " if kind is QueryFailed else "") + text


def test_the_librarys_own_prefix_is_taken_away_and_the_cause_kept() -> None:
    cause = ValueError("DataFusion error: DataFusion error: Schema error: x")
    with pytest.raises(QueryFailed, match=r"^Schema error: x$") as failed, planning():
        raise cause
    assert failed.value.__cause__ is cause


def test_what_fails_while_it_runs_is_said_to_be_the_execution() -> None:
    with pytest.raises(QueryFailed, match=r"^query error: error while executing plan: Arrow error: x$"), executing():
        raise RuntimeError("Arrow error: x")


def test_a_panic_of_the_library_fails_the_query_only() -> None:
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(QueryFailed, match="Internal error: index out of bounds"), planning():
        raise panic("index out of bounds")


def test_an_interrupt_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt), planning():
        raise KeyboardInterrupt
