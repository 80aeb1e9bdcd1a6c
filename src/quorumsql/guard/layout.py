"""What a statement looks like before it is parsed: its size, its nesting, and what lies between.

An engine and a parser that disagree about where a comment ends, or about which characters are
blank, read two different statements in one text. So everything between tokens must be a blank
or a comment that all readers end at the same place; what only some would skip is refused.

What is not covered: text inside quotes, whose escapes the dialect's tokenizer knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sqlglot.tokenizer_core import Token, TokenType

__all__ = ["DEEPEST", "LONGEST", "bracketed_limits", "nested_too_deeply", "oddity"]

LONGEST = 200_000  # characters; parsing time grows with length, and no question needs more
DEEPEST = 100  # brackets inside of brackets, where people stay below ten

_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_AFTER_LIMIT = frozenset(
    {TokenType.OFFSET, TokenType.COMMA, TokenType.SEMICOLON, TokenType.LIMIT, TokenType.FETCH}
)
_BLANK = re.compile(r"[ \t\r\n\f\v]+")
_LINE = re.compile(r"--[^\r\n\v\f\x85\u2028\u2029]*(?:\r?\n|\Z)")
_HASH_LINE = re.compile(r"#[^\r\n\v\f\x85\u2028\u2029]*(?:\r?\n|\Z)")
_BLOCK = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_WITH_HASH = frozenset({"mysql", "mariadb", "bigquery", "singlestore", "doris", "starrocks"})
_SPACED_DASHES = frozenset({"mysql", "mariadb", "singlestore", "doris", "starrocks"})


def nested_too_deeply(tokens: Sequence[Token]) -> bool:
    """Whether brackets stand inside each other more than `DEEPEST` deep."""
    depth = 0
    for token in tokens:
        if token.token_type in _OPENING:
            depth += 1
            if depth > DEEPEST:
                return True
        elif token.token_type in _CLOSING:
            depth -= 1
    return False


def bracketed_limits(tokens: Sequence[Token]) -> list[Token]:
    """Return `tokens` with brackets around `a % b` after LIMIT, which sqlglot reads as percent."""
    result: list[Token] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        result.append(token)
        place += 1
        if token.token_type is not TokenType.LIMIT:
            continue
        end = _end_of_expression(tokens, place)
        inside = bracketed_limits(tokens[place:end])
        if any(t.token_type is TokenType.MOD for t in tokens[place : end - 1]):
            inside = [_bracket("(", token), *inside, _bracket(")", token)]
        result.extend(inside)
        place = end
    return result


def _end_of_expression(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for place in range(start, len(tokens)):
        kind = tokens[place].token_type
        depth += (kind in _OPENING) - (kind in _CLOSING)
        if depth < 0 or (depth == 0 and kind in _AFTER_LIMIT):
            return place
    return len(tokens)


def _bracket(text: str, beside: Token) -> Token:
    kind = TokenType.L_PAREN if text == "(" else TokenType.R_PAREN
    return Token(kind, text, beside.line, beside.col, beside.end, beside.end)


def oddity(sql: str, tokens: Sequence[Token], dialect: str) -> str:
    """Return what stands between tokens that readers could take differently, or ""."""
    if "\x00" in sql:
        return "a NUL character, where some engines stop reading"
    for token in tokens:
        if token.token_type is TokenType.VAR:
            if not token.text.isprintable():
                return f"an invisible character in {ascii(token.text)[:40]}"
            if token.text.startswith("$") and dialect != "mysql":
                return f"the placeholder {token.text[:40]}"
    for gap in _gaps(sql, tokens):
        found = _oddity_of_gap(gap, dialect)
        if found:
            return found
    return ""


def _gaps(sql: str, tokens: Sequence[Token]) -> Iterator[str]:
    """The pieces of `sql` that belong to no token."""
    places = [(-1, -1), *((t.start, t.end) for t in tokens), (len(sql), len(sql))]
    for (_, end), (start, _) in pairwise(places):
        if start > end + 1:
            yield sql[end + 1 : start]


def _oddity_of_gap(gap: str, dialect: str) -> str:
    place = 0
    while place < len(gap):
        piece = _piece(gap, place, dialect)
        if piece is None:
            return _unexpected(gap[place:])
        block = _BLOCK.fullmatch(piece)
        if block is not None and re.match(r"M?!|\+", block[1]):
            return "a comment of the form /*! … */ or /*+ … */, which servers execute"
        if block is not None and "/*" in block[1]:
            return "a comment inside a comment, which engines end at different places"
        if (
            piece.startswith("--")
            and dialect in _SPACED_DASHES
            and not re.match(r"--[ \t\r\n\f\v]|--\Z", piece)
        ):
            return "'--' without a space, which this engine reads as two minus signs"
        place += len(piece)
    return ""


def _piece(gap: str, place: int, dialect: str) -> str | None:
    """The blanks or the one comment at `place`, or None."""
    patterns = [_BLANK, _LINE, _BLOCK]
    if dialect in _WITH_HASH:
        patterns.append(_HASH_LINE)
    for pattern in patterns:
        found = pattern.match(gap, place)
        if found is not None:
            return found[0]
    return None


def _unexpected(rest: str) -> str:
    if rest.startswith("{"):
        return "a template comment {# … #}, which is no SQL"
    if rest.startswith(("--", "#")):
        return "a line comment with an odd line break in it, which some engines end there"
    if rest.startswith(";"):
        return "more than one statement"
    if rest[0].isascii() and rest[0].isprintable():
        return f"the text {rest[:20]!r} outside of any word, quote or comment"
    return f"the invisible character U+{ord(rest[0]):04X} outside of quotes"
