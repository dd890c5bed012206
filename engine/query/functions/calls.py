"""Calls of functions in the text of a statement: where they are, what their arguments are, and other texts in their place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.query.sql_text import Token, tokens

_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = set(_OPENING.values())
_NOT_BEFORE_CALL = {".", "AS", "WITH"}


@dataclass(frozen=True, slots=True)
class Text:
    """A statement, or a part of one, as tokens ``[start, end)``."""

    sql: str
    tokens: Sequence[Token]
    start: int
    end: int

    @staticmethod
    def of(sql: str) -> "Text":
        """Return the whole of ``sql``."""
        found = tuple(tokens(sql))
        return Text(sql, found, 0, len(found))

    def part(self, start: int, end: int) -> "Text":
        """Return the tokens ``[start, end)`` of the statement."""
        return Text(self.sql, self.tokens, start, end)

    def __str__(self) -> str:
        if self.start >= self.end:
            return ""
        return self.sql[self.tokens[self.start].start : self.tokens[self.end - 1].end]

    @property
    def words(self) -> tuple[str, ...]:
        """Return the texts of the tokens, words in upper case."""
        return tuple(token.text for token in self.tokens[self.start : self.end])

    def closing(self, opening: int) -> int:
        """Return where the parenthesis at ``opening`` is closed; the end if it is not."""
        depth = 0
        for at in range(opening, self.end):
            text = self.tokens[at].text
            depth += (text in _OPENING) - (text in _CLOSING)
            if depth == 0:
                return at
        return self.end

    def at_depth_zero(self) -> list[int]:
        """Return where the tokens are that stand in no parentheses of this part."""
        found, at = [], self.start
        while at < self.end:
            found.append(at)
            at = self.closing(at) if self.tokens[at].text in _OPENING else at + 1
            if at < self.end and self.tokens[at].text in _CLOSING:
                at += 1
        return found

    def divided(self, mark: str) -> list["Text"]:
        """Return the parts between the tokens ``mark`` that stand in no parentheses."""
        if self.start >= self.end:
            return []
        cuts = [at for at in self.at_depth_zero() if self.tokens[at].text == mark]
        return [
            self.part(start, end)
            for start, end in zip((self.start, *(cut + 1 for cut in cuts)), (*cuts, self.end), strict=True)
        ]

    def is_call(self, at: int) -> bool:
        """Return whether a function is called by the word at ``at``."""
        if at + 1 >= self.end or self.tokens[at].kind != "word" or self.tokens[at + 1].text != "(":
            return False
        return at == 0 or self.tokens[at - 1].text not in _NOT_BEFORE_CALL

    def arguments(self, at: int) -> list["Text"]:
        """Return the arguments of the call at ``at``."""
        return self.part(at + 2, self.closing(at + 1)).divided(",")


@dataclass(frozen=True, slots=True)
class Call:
    """A call with its arguments; ``condition`` is that of a ``FILTER`` behind it."""

    name: str
    arguments: Sequence[str]
    condition: str | None


Rewrite = Callable[[Call], str]


def replaced(text: Text, rewrites: Mapping[str, Rewrite]) -> str:
    """Return ``text`` with the calls of functions that ``rewrites`` names replaced, inner ones first."""
    pieces, copied, at = [], text.start, text.start
    while at < text.end:
        rewrite = rewrites.get(text.tokens[at].text) if text.is_call(at) else None
        if rewrite is None:
            at += 1
            continue
        pieces.append(_up_to(text, copied, at))
        arguments = [replaced(argument, rewrites) for argument in text.arguments(at)]
        condition, copied_to = _condition(text, text.closing(at + 1) + 1, rewrites)
        pieces.append(rewrite(Call(text.tokens[at].text.lower(), arguments, condition)))
        copied = at = copied_to
    pieces.append(_up_to(text, copied, text.end, is_last=True))
    return "".join(pieces)


def _condition(text: Text, at: int, rewrites: Mapping[str, Rewrite]) -> tuple[str | None, int]:
    """Return the condition of the ``FILTER`` at ``at``, if there is one, and where the text goes on."""
    if text.part(at, min(at + 3, text.end)).words != ("FILTER", "(", "WHERE"):
        return None, min(at, text.end)
    closing = text.closing(at + 1)
    return replaced(text.part(at + 3, closing), rewrites), min(closing + 1, text.end)


def _up_to(text: Text, start: int, end: int, *, is_last: bool = False) -> str:
    """Return what stands from the end of the token before ``start`` to the beginning of that at ``end``."""
    first = text.tokens[start - 1].end if start > text.start else _begin(text)
    if is_last:
        return text.sql[first : text.tokens[text.end - 1].end] if text.start < text.end else ""
    return text.sql[first : text.tokens[end].start]


def _begin(text: Text) -> int:
    return text.tokens[text.start].start if text.start < text.end else 0
