import pytest

from engine.model.nearest import nearest


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        pytest.param(
            "plugin-dirr", ("node-id", "plugin-dir", "plugin-isolation"), "plugin-dir", id="a letter too many"
        ),
        pytest.param("retentoin", ("retention", "rotation"), "retention", id="the one that is most like it"),
        pytest.param("bucket", ("database", "table"), None, id="none is like it"),
        pytest.param("anything", (), None, id="none is known"),
    ],
)
def test_what_is_meant_is_the_name_most_alike(name: str, known: tuple[str, ...], expected: str | None) -> None:
    assert nearest(name, known) == expected


def test_caller_says_how_much_has_to_be_right() -> None:
    assert nearest("berlim", ("berlin",), 0.9) is None
    assert nearest("berlim", ("berlin",), 0.8) == "berlin"
