"""The code blocks of the documents that the project fulfils: as they are kept here, and as they stand in the originals."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENTS = {
    "000": "000_89ab56ec32138d3f.txt",
    "001": "001_c16f29666af846b4.txt",
    "002": "002_6f9c270170614334.txt",
    "003": "003_9d693db23a0ca9d6.txt",
    "004": "004_f3a563566a6bc7df.txt",
}
GUIDE = "003"
"""The document that most of them are in."""

KEPT = Path(__file__).parents[1] / "golden" / "seeds"
FOLDER_VARIABLE = "SEEDS_FOLDER"
"""Environment variable that names the folder of the originals, if it is not beside the repository."""

_FENCED = re.compile(r"^(?P<indent> *)```(?P<kind>\w+) *\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_RULED = re.compile(r"^\|\n", re.MULTILINE)
"""One document was kept with a rule between its lines."""


@dataclass(frozen=True)
class Block:
    """A code block, its number counted from 1, and its kind: ``bash`` or ``python``."""

    number: int
    kind: str
    text: str


def code_blocks(document: str) -> list[Block]:
    """Return all fenced code blocks of a text in Markdown, in their order."""
    found = _FENCED.finditer(_RULED.sub("", document))
    return [Block(n, block["kind"], _moved(block["text"], block["indent"])) for n, block in enumerate(found, 1)]


def kept_blocks(document: str = GUIDE) -> list[Block]:
    """Return the blocks that are kept of a document: a file for each, named by number and kind."""
    folder = KEPT / document
    files = sorted(folder.iterdir(), key=lambda path: int(path.stem)) if folder.exists() else []
    return [Block(int(path.stem), path.suffix.removeprefix("."), path.read_text(encoding="utf-8")) for path in files]


def original(document: str = GUIDE) -> str | None:
    """Return a document, ``None`` where it is not at hand."""
    beside = Path(__file__).parents[3] / "shared" / "seeds"
    path = Path(os.environ.get(FOLDER_VARIABLE, beside)) / DOCUMENTS[document]
    return path.read_text(encoding="utf-8") if path.is_file() else None


def keep(document: str) -> None:
    """Write the blocks of the original anew; for whoever has seen that it changed."""
    text = original(document)
    assert text is not None
    for block in code_blocks(text):
        (KEPT / document).mkdir(exist_ok=True)
        (KEPT / document / f"{block.number:02}.{block.kind}").write_text(block.text, encoding="utf-8")


def _moved(text: str, indent: str) -> str:
    return re.sub(f"^{indent}", "", text, flags=re.MULTILINE) if indent else text
