from pathlib import Path

import pytest

from engine.server.version import commit_of, product_version, revision

HASH = "85f0fc9bfa" + "0" * 30


@pytest.mark.parametrize(
    ("files", "commit"),
    [
        ({}, ""),
        ({"HEAD": f"{HASH}\n"}, HASH),
        ({"HEAD": "ref: refs/heads/main\n", "refs/heads/main": f"{HASH}\n"}, HASH),
        (
            {
                "HEAD": "ref: refs/heads/main\n",
                "packed-refs": f"# x\n{'1' * 40} refs/heads/a/main\n{HASH} refs/heads/main\n",
            },
            HASH,
        ),
        ({"HEAD": "ref: refs/heads/main\n"}, ""),
    ],
    ids=["no checkout", "no branch", "branch", "packed", "no commit yet"],
)
def test_the_commit_of_a_checkout_is_found(tmp_path: Path, files: dict[str, str], commit: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert commit_of(tmp_path) == commit


def test_version_and_revision_have_their_form() -> None:
    assert product_version().count(".") == 2
    assert len(revision()) == 10
