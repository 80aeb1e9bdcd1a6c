"""Cut SQL into the words that Spider's exact-set match sees.

The official parser was built on a tokeniser for English: quoted text is taken out first, the
rest is cut by the Penn Treebank's rules, and quoted text is put back. What that does to SQL is
part of the official verdict: `a=1` is one word, `,5` too, and `cannot` is two.

Source: Marcus, Santorini, Marcinkiewicz 1993, "Building a Large Annotated Corpus of English: The
Penn Treebank", as far as text without quotation marks is concerned.

What is not covered: the rules about single and double quotation marks, of which none is left when
they would apply, and cutting a line into sentences first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["NotParsed", "words"]

_QUOTED = re.compile('"[^"]*"')
_MARK = re.compile(
    r"[:,](?=\D)(.)", re.DOTALL
)  # takes the next character with it: ",," is one step
_ELLIPSIS = re.compile(r"\.\.\.")
_SYMBOL = re.compile(r"[;@#$%&]")
_LAST_STOP = re.compile(r"([^.])\.([\])}>]*)\s*$")
_LAST_MARK = re.compile(r"([:,])$")
_BRACKET = re.compile(r"[?!\]\[(){}<>]")
_SLURRED = re.compile(r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me))\b", re.IGNORECASE)
_WANNA = re.compile(r"\b(wan)(na)(?=\s)", re.IGNORECASE)
_SLURS = ("cannot", "gimme", "gonna", "gotta", "lemme")
_COMPARISONS: Mapping[str, str] = MappingProxyType({"!": "!=", ">": ">=", "<": "<="})


class NotParsed(Exception):
    """The statement is none that the official parser reads."""


def words(sql: str) -> list[str]:
    """Return the words of `sql`, lower case but for quoted text, which is one word each.

    Raises:
        NotParsed: there is an odd number of quotation marks.
    """
    text = sql.replace("'", '"')
    if text.count('"') % 2:
        raise NotParsed("an odd number of quotation marks")
    quoted: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        name = f"__val_{match.start()}_{match.end() - 1}__"
        quoted[name] = match[0]
        return name

    if '"' in text:
        text = _QUOTED.sub(stand_in, text)
    found = [word.lower() for word in _cut(text)]
    if quoted:
        found = [quoted.get(word, word) for word in found]
    return _join_comparisons(found) if "=" in found else found


def _cut(text: str) -> list[str]:
    """Cut text without quotation marks; the order of the rules matters."""
    text = text.replace("``", " `` ")
    text = _MARK.sub(lambda match: f" {match[0][0]} {match[1]}", text)
    text = _LAST_MARK.sub(r" \1 ", text)
    text = _ELLIPSIS.sub(" ... ", text)
    text = _SYMBOL.sub(r" \g<0> ", text)
    text = _LAST_STOP.sub(r"\1 .\2 ", text)
    text = _BRACKET.sub(r" \g<0> ", text)
    if "--" in text:
        text = text.replace("--", " -- ")
    lower = text.lower()
    if any(slur in lower for slur in _SLURS):
        text = _SLURRED.sub(lambda match: f" {' '.join(filter(None, match.groups()))} ", text)
    if "wanna" in lower:
        text = _WANNA.sub(r" \1 \2 ", f"{text} ")
    return text.split()


def _join_comparisons(found: list[str]) -> list[str]:
    """Join `>` `=` to `>=`, last first; an `=` at the very beginning looks at the last word."""
    for position in [i for i, word in enumerate(found) if word == "="][::-1]:
        joined = _COMPARISONS.get(found[position - 1])
        if joined is not None:
            found = [*found[: position - 1], joined, *found[position + 1 :]]
    return found
