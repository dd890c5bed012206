"""The changelog of the project as a page of the site."""

from pathlib import Path

_FILE = Path(__file__).parents[2] / "CHANGELOG.md"


def markdown() -> str:
    """Return what follows the title, with links as they are from this folder."""
    return _FILE.read_text().partition("\n")[2].replace("](docs/", "](")
