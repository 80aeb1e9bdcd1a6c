"""What a question surely asks for and a statement does not do.

Some words leave no choice: who says "average" wants one, who says "more than 20" wants a
comparison, and the 20. Words are taken in where a query of Spider's training set hardly ever goes
without what they ask for: 0.2 % of 8,659 gold queries lack any of it, most of those by mistake.

What is not covered: words that mostly ask for something ("each", "different", "not", "the most"),
numbers in words, and languages other than English, of whose questions only numbers are heeded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sqlglot import exp

__all__ = ["is_unheeded"]

_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_COUNTED = r"(?:\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten)"
_UP: Final = (exp.GT, exp.GTE)
_DOWN: Final = (exp.LT, exp.LTE)


def is_unheeded(question: str, tree: exp.Expr, sql: str) -> bool:
    """Whether `sql`, whose tree is given, lacks something that the question surely asks for.

    What stands in quotation marks in the question is a value, not a wish.
    """
    asked = _TEXT.sub(" ", question)
    if any(_bare(number) not in sql for number in _NUMBER.findall(asked)):
        return True
    return any(words.search(asked) and not does(tree) for words, does in _CUES)


def _bare(number: str) -> str:
    """A number without what only people write in it."""
    whole, point, rest = number.replace(",", "").partition(".")
    return whole + point + rest if rest.strip("0") else whole


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


def _has(*kinds: type[exp.Expr]) -> Callable[[exp.Expr], bool]:
    return lambda tree: tree.find(*kinds) is not None


def _has_or_names(pattern: str, *kinds: type[exp.Expr]) -> Callable[[exp.Expr], bool]:
    """Whether a tree has one of the kinds, or a column that is called so ("max_temperature")."""
    named = re.compile(pattern, re.IGNORECASE)

    def does(tree: exp.Expr) -> bool:
        if tree.find(*kinds) is not None:
            return True
        return any(named.search(one.name) for one in tree.find_all(exp.Column))

    return does


def _descends(tree: exp.Expr) -> bool:
    return any(one.args.get("desc") for one in tree.find_all(exp.Ordered))


def _compares(one_way: tuple[type[exp.Expr], ...], other: tuple[type[exp.Expr], ...]) -> (
    Callable[[exp.Expr], bool]
):  # fmt: skip
    """Whether something is compared one way, or the other way round with the value in front."""

    def does(tree: exp.Expr) -> bool:
        if tree.find(exp.Between, *one_way) is not None:
            return True
        return any(isinstance(one.this, exp.Literal) for one in tree.find_all(*other))

    return does


_LIMITED = (exp.Limit, exp.Fetch, exp.Window)
_CUES: Final = (
    (
        _words(
            "starts? with|starting with(?! the (?:most|least|[a-z]+est))"
            "|begins? with|beginning with|ends? with|ending with"
            "|contains? the (?:word|letter|substring|phrase)"
            "|containing the (?:word|letter|substring|phrase)|substring"
        ),
        _has(
            exp.Like, exp.ILike, exp.RegexpLike, exp.Substring, exp.StartsWith, exp.Left, exp.Glob
        ),
    ),
    (
        _words("alphabetical(?:ly)?|lexicographical(?:ly)?|descending|ascending|sort|sorted"),
        _has(exp.Order),
    ),
    (
        _words("average|averages|mean"),
        _has_or_names("avg|average|mean", exp.Avg, exp.Div),
    ),
    (_words("descending|decreasing"), _descends),
    (
        _words(
            r"top (?:\d+|two|three|four|five|ten)"
            r"|(?:\d+|two|three|five) (?:most|largest|highest|oldest|youngest|lowest|least)"
        ),
        _has(*_LIMITED),
    ),
    (
        _words("maximum|minimum"),
        _has_or_names("max|min|highest|lowest", exp.Max, exp.Min, *_LIMITED),
    ),
    (
        _words(
            r"(?<!\bno )(?<!\bnot )"
            "(?:more|greater|larger|higher|older|longer|heavier|bigger|taller) than (?:the )?"
            rf"{_COUNTED}|(?:at least|no (?:less|fewer) than) {_COUNTED}"
        ),
        _compares(_UP, _DOWN),
    ),
    (
        _words(
            r"(?<!\bno )(?<!\bnot )(?:less|smaller|lower|younger|fewer|shorter) than (?:the )?"
            rf"{_COUNTED}|(?:at most|not? more than) {_COUNTED}"
        ),
        _compares(_DOWN, _UP),
    ),
)
"""Words, and what a statement does that heeds them."""
