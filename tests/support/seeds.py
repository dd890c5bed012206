"""The code blocks of the document that the project fulfils: as they are kept here, and as they stand in the original."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = "003_9d693db23a0ca9d6.txt"
KEPT = Path(__file__).parents[1] / "golden" / "seeds" / "003"
FOLDER_VARIABLE = "SEEDS_FOLDER"
"""Environment variable that names the folder of the original, if it is not beside the repository."""

_FENCED = re.compile(r"^```(?P<kind>\w+) *\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block, its number counted from 1, and its kind: ``bash`` or ``python``."""

    number: int
    kind: str
    text: str


def code_blocks(document: str) -> list[Block]:
    """Return all fenced code blocks of a text in Markdown, in their order."""
    return [Block(n, found["kind"], found["text"]) for n, found in enumerate(_FENCED.finditer(document), 1)]


def kept_blocks() -> list[Block]:
    """Return the blocks that are kept: a file for each, named by number and kind."""
    files = sorted(KEPT.iterdir(), key=lambda path: int(path.stem))
    return [Block(int(path.stem), path.suffix.removeprefix("."), path.read_text(encoding="utf-8")) for path in files]


def original() -> str | None:
    """Return the document, ``None`` where it is not at hand."""
    beside = Path(__file__).parents[3] / "shared" / "seeds"
    path = Path(os.environ.get(FOLDER_VARIABLE, beside)) / DOCUMENT
    return path.read_text(encoding="utf-8") if path.is_file() else None


def keep() -> None:
    """Write the blocks of the original anew; for whoever has seen that it changed."""
    document = original()
    assert document is not None
    for block in code_blocks(document):
        name = f"{block.number:02}.{block.kind}"
        (KEPT / name).write_text(block.text, encoding="utf-8")
