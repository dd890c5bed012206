"""Boxes, arrows and text as SVG: pictures that need neither a network nor a program to be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

TEXT_PX = 13
LINE_PX = 17
WIDEST_CHARACTER = 0.56
"""Of the size of the text: no font of a browser is much wider on average."""

INK, PAPER, SOFT = "#1f2933", "#ffffff", "#52606d"
FILLS = {"part": "#e3f0fb", "store": "#fdf1d8", "outside": "#eef0f2", "plugin": "#e4f5e6", "frame": "none"}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with lines of text in its middle; those of a ``frame`` stand at its top. ``kind`` is a key of ``FILLS``."""

    x: int
    y: int
    width: int
    height: int
    lines: tuple[str, ...]
    kind: str = "part"

    @property
    def most_characters(self) -> int:
        """Return how long a line of text may be."""
        return int((self.width - 12) / (TEXT_PX * WIDEST_CHARACTER))

    def svg(self) -> str:
        """Return the box as SVG."""
        is_frame = self.kind == "frame"
        dash = ' stroke-dasharray="5 4"' if is_frame else ""
        rectangle = (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6" '
            f'fill="{FILLS[self.kind]}" stroke="{SOFT}"{dash}/>'
        )
        top = self.y + 20 if is_frame else self.y + self.height / 2 - (len(self.lines) - 1) * LINE_PX / 2 + TEXT_PX / 3
        middle = self.x + self.width / 2
        texts = [
            _text(middle, top + i * LINE_PX, line, INK if i == 0 else SOFT, bold=i == 0)
            for i, line in enumerate(self.lines)
        ]
        return "\n".join([rectangle, *texts])


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through ``points`` with a head at its end, at both ends if it goes both ways; ``label`` stands at ``at``."""

    points: tuple[tuple[int, int], ...]
    label: str = ""
    at: tuple[int, int] = (0, 0)
    both_ways: bool = False
    dashed: bool = False

    def svg(self) -> str:
        """Return the arrow as SVG."""
        path = " ".join(f"{x},{y}" for x, y in self.points)
        start = ' marker-start="url(#head)"' if self.both_ways else ""
        dash = ' stroke-dasharray="4 4"' if self.dashed else ""
        line = f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.4"{dash}{start} marker-end="url(#head)"/>'
        return f"{line}\n{_text(*self.at, self.label, SOFT)}" if self.label else line


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with a name, and a description for whoever does not see it."""

    name: str
    width: int
    height: int
    description: str
    items: Sequence[Box | Arrow]

    def svg(self) -> str:
        """Return the picture as the text of a file."""
        head = (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto-start-reverse"><path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker></defs>'
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
                f'height="{self.height}" role="img" font-family="system-ui, sans-serif" font-size="{TEXT_PX}">',
                f"<title>{escape(self.description)}</title>",
                head,
                f'<rect width="{self.width}" height="{self.height}" rx="8" fill="{PAPER}"/>',
                *(item.svg() for item in self.items),
                "</svg>\n",
            ]
        )


def _text(x: float, y: float, text: str, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="{colour}"{weight}>{escape(text)}</text>'
