"""One SELECT of a statement that fills gaps: its clauses, what it groups by, and the times between which it is filled."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import QueryError, QueryNotSupported
from engine.query.functions.calls import Text
from engine.query.sql_text import Token

GAPFILL, WALLCLOCK_GAPFILL = "DATE_BIN_GAPFILL", "DATE_BIN_WALLCLOCK_GAPFILL"
GAPFILLS = frozenset((GAPFILL, WALLCLOCK_GAPFILL))
_SET_OPERATIONS = {"UNION", "INTERSECT", "EXCEPT", "MINUS", ";"}
_CLAUSES = {"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "WINDOW", "QUALIFY"}
_OF_UNION = {"ORDER", "LIMIT", "OFFSET", "FETCH"}
_NO_ALIAS = {"END", "NULL", "TRUE", "FALSE"}
_OPERATORS = {"AND", "OR", "NOT", "IS", "LIKE", "ILIKE", "BETWEEN", "IN", "THEN", "ELSE", "WHEN", "CASE", "FROM"}


@dataclass(frozen=True, slots=True)
class Item:
    """One of the results: its expression, and the name that ``AS`` gives it."""

    expression: Text
    alias: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """A SELECT with its clauses; clauses that are not there are missing in ``clauses``."""

    whole: Text
    clauses: dict[str, Text]
    items: Sequence[Item]
    is_in_set: bool

    def clause(self, name: str) -> Text:
        """Return what stands in the clause ``name``, nothing if there is none."""
        return self.clauses.get(name) or self.whole.part(self.whole.start, self.whole.start)


def block_at(text: Text, at: int) -> Block:
    """Return the innermost SELECT around the token ``at``.

    Raises:
        QueryNotSupported: it has clauses that gaps cannot be filled with.
        QueryError: there is none.
    """
    for region in _regions(text, at):
        top = region.at_depth_zero()
        before = [place for place in top if text.tokens[place].text == "SELECT" and place <= at]
        if before:
            cuts = [
                place for place in top if text.tokens[place].text in _SET_OPERATIONS and text.tokens[place].text != ";"
            ]
            end = min((p for p in top if p > at and text.tokens[p].text in _SET_OPERATIONS), default=region.end)
            return _block(region.part(before[-1], end), is_in_set=bool(cuts))
    raise QueryError("Error during planning: date_bin_gapfill may only be used as a GROUP BY expression")


def _regions(text: Text, at: int) -> list[Text]:
    """Return the insides of the parentheses around ``at``, inner ones first, and last the whole."""
    opened: list[int] = []
    for place in range(text.start, at):
        if text.tokens[place].text == "(":
            opened.append(place)
        elif text.tokens[place].text == ")" and opened:
            opened.pop()
    return [*(text.part(place + 1, text.closing(place)) for place in reversed(opened)), text]


def _block(text: Text, *, is_in_set: bool) -> Block:
    starts = [place for place in text.at_depth_zero() if _is_clause(text, place)]
    if is_in_set:
        ends = [place for place in starts if text.tokens[place].text in _OF_UNION]
        if ends:
            text = text.part(text.start, ends[0])
            starts = [place for place in starts if place < text.end]
    clauses = {}
    for start, end in zip(starts, (*starts[1:], text.end), strict=True):
        name = text.tokens[start].text
        clauses[name] = text.part(start + (2 if name in ("GROUP", "ORDER") else 1), end)
    selected = clauses["SELECT"]
    for name in ("WINDOW", "QUALIFY"):
        if name in clauses:
            raise QueryNotSupported(f"This feature is not implemented: {name} in a gap-filling query")
    if selected.words[:1] == ("DISTINCT",):
        raise QueryNotSupported("This feature is not implemented: SELECT DISTINCT in a gap-filling query")
    items = [_item(part) for part in selected.divided(",")]
    if any(item.expression.words[-1:] == ("*",) for item in items):
        raise QueryNotSupported("This feature is not implemented: SELECT * in a gap-filling query")
    return Block(text, clauses, items, is_in_set)


def _is_clause(text: Text, place: int) -> bool:
    word = text.tokens[place]
    if word.kind != "word" or word.text not in _CLAUSES:
        return False
    # IS DISTINCT FROM, and a column with such a name.
    return text.tokens[place - 1].text not in ("DISTINCT", ".", "AS") if place > text.start else True


def _item(text: Text) -> Item:
    tokens = text.tokens[text.start : text.end]
    if len(tokens) > 2 and tokens[-2].text == "AS":
        return Item(text.part(text.start, text.end - 2), _sliced(text, tokens[-1]))
    if len(tokens) > 1 and _is_alias(tokens[-2], tokens[-1]):
        return Item(text.part(text.start, text.end - 1), _sliced(text, tokens[-1]))
    return Item(text, None)


def _is_alias(before: Token, last: Token) -> bool:
    if last.kind not in ("word", "quoted") or last.text in _NO_ALIAS:
        return False
    is_value = before.kind in ("quoted", "string", "number", "placeholder") or before.text in (")", "]")
    return is_value or (before.kind == "word" and before.text not in _OPERATORS)


def _sliced(text: Text, token: Token) -> str:
    return text.sql[token.start : token.end]


def path_at(text: Text, at: int) -> tuple[str, int]:
    """Return the last part of the name ``a.b.c`` at ``at``, and where it ends; no name is an empty one that ends there."""
    name, end = "", at
    while end < text.end and text.tokens[end].kind in ("word", "quoted"):
        name, end = identifier(_sliced(text, text.tokens[end])), end + 1
        if end >= text.end or text.tokens[end].text != ".":
            break
        end += 1
    if end < text.end and text.tokens[end].text == "(":
        return "", at
    return name, end


def identifier(text: str) -> str:
    """Return the name that an identifier means."""
    if text[:1] in ('"', "`"):
        return text[1:-1].replace('""', '"')
    return text.lower()


def name_of(text: Text) -> str | None:
    """Return the column that ``text`` is the name of, ``None`` if it is anything else."""
    name, end = path_at(text, text.start)
    return name if name and end == text.end else None
