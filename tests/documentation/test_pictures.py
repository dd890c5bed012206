"""The pictures are those that the script draws, their text fits, and whoever does not see them is told what they show."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from docs.generator.drawing import Box, Picture
from docs.generator.pictures import FOLDER, PICTURES

DOCS = Path(__file__).parents[2] / "docs"
IMAGES = [
    pytest.param(page, alternative, target, id=f"{page.name}-{target}")
    for page in sorted(DOCS.rglob("*.md"))
    for alternative, target in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text())
]


def test_the_script_draws_all_that_are_there() -> None:
    drawn = {f"{picture.name}.svg" for picture in PICTURES}
    assert drawn == {file.name for file in FOLDER.glob("*.svg")} - {"demo.svg"}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_what_the_script_draws(picture: Picture) -> None:
    """If not: python -m docs.generator.pictures."""
    assert (FOLDER / f"{picture.name}.svg").read_text() == picture.svg()


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_text_fits_into_its_box_and_boxes_into_the_picture(picture: Picture) -> None:
    for box in (item for item in picture.items if isinstance(item, Box)):
        assert max(map(len, box.lines)) <= box.most_characters, box
        assert box.x + box.width <= picture.width
        assert box.y + box.height <= picture.height


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.svg")), ids=lambda file: file.name)
def test_a_picture_needs_no_network(file: Path) -> None:
    text = file.read_text()
    ET.fromstring(text)
    assert not re.search(r"(?:href|src|url)\s*[=(]\s*['\"]?https?:|@import", text)


@pytest.mark.parametrize(("page", "alternative", "target"), IMAGES)
def test_an_image_is_there_and_told_in_words(page: Path, alternative: str, target: str) -> None:
    assert (page.parent / target).is_file()
    assert len(alternative) > 30
