"""What a question surely asks for and a statement does not do, and what it does unasked.

Some words leave no choice: who says "average" wants one, who says "more than 20" wants a
comparison, and the 20. And nobody wants "not" who has no word for it. Words are taken in where a
query of Spider's training set hardly ever goes without what they ask for, and deeds where one
hardly ever comes without the words: 0.5 % of 8,659 gold queries have any of it, mostly by mistake.

What is not covered: words that mostly ask for something ("each", "different", "the most"), numbers
in words, and languages other than English, of whose questions only numbers are heeded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sqlglot import exp

__all__ = ["is_unheeded"]

_TEXT = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"|“[^”]*”")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_SCALED = re.compile(
    r"\d[\d,]*(?:\.\d+)?(?:(?:k|m|bn)|[ -]?(?:hundred|thousand|million|billion))\b", re.IGNORECASE
)
_COUNTED = r"(?:\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten)"
_UP: Final = (exp.GT, exp.GTE)
_DOWN: Final = (exp.LT, exp.LTE)


def is_unheeded(question: str, tree: exp.Expr, sql: str) -> bool:
    """Whether `sql`, whose tree is given, lacks something that the question surely asks for.

    What stands in quotation marks in the question is a value, not a wish.
    """
    asked = _TEXT.sub(" ", question)
    numbers = _NUMBER.findall(_SCALED.sub(" ", asked))  # "1.5 million" is 1500000 in SQL
    if any(_bare(number) not in sql for number in numbers):
        return True
    if any(words.search(asked) and not does(tree) for words, does in _CUES):
        return True
    if _ENGLISH.search(asked) and any(does(tree) and not words.search(asked)
                                      for does, words in _UNASKED):  # fmt: skip
        return True
    return _leaves_the_year(asked, tree) or _only_counts(asked, tree)


def _only_counts(asked: str, tree: exp.Expr) -> bool:
    """Whether a number comes back to who asked which ones there are."""
    if not _WHICH.search(asked) or _COUNTING.search(asked) or not isinstance(tree, exp.Select):
        return False
    return all(isinstance(one.unalias(), exp.Count) for one in tree.expressions)


def _leaves_the_year(asked: str, tree: exp.Expr) -> bool:
    """Whether a question is about one year, and the statement about those beside it."""
    year = _YEAR.search(asked)
    if year is None or _SPAN.search(asked):
        return False
    return any(
        isinstance(side, exp.Literal) and side.name == year[1]
        for one in tree.find_all(*_UP, *_DOWN, exp.NEQ)
        for side in (one.left, one.right)
    )


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


def _likes(right: Callable[[str], bool]) -> Callable[[exp.Expr], bool]:
    """Whether one of the patterns is `right`, or there is none to tell by."""

    def does(tree: exp.Expr) -> bool:
        found = [one.expression for one in tree.find_all(exp.Like, exp.ILike)]
        texts = [one.name for one in found if isinstance(one, exp.Literal)]
        return not texts or any(map(right, texts))

    return does


def _denies(tree: exp.Expr) -> bool:
    """Whether rows are left out because they have something; NOT NULL is no such thing."""
    if any(one.find(exp.Literal) for one in tree.find_all(exp.NEQ)) or tree.find(exp.Except):
        return True
    return any(one.find(exp.In, exp.EQ, exp.Like) for one in tree.find_all(exp.Not))


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
    (_words("(?:starts?|starting|begins?|beginning) with"), _likes(lambda p: p[:1] != "%")),
    (_words("(?:ends?|ending) with"), _likes(lambda p: p[-1:] != "%")),
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

_ENGLISH = _words("the|what|which|who|how|are|that|show|list|find|give|return|with")
_YEAR = re.compile(
    r"\b(?:in|of|for|year)(?: the)?(?: year)?(?: of)? ((?:1[89]|20)\d\d)\b", re.IGNORECASE
)
_SPAN = _words(
    "before|after|since|until|later|earlier|from|between|than|prior|by|more|least|most|up|through"
    r"|onwards?|over|past|or|and|begin\w*|start\w*|not|no|never|without|except|excluding|other"
)
"""What may make a question about one year one about years beside it."""
_WHICH = re.compile(r"^\W*(?:which|what are|list|show|find|who|give)\b", re.IGNORECASE)
_COUNTING = _words(
    r"how (?:many|much|often)|numbers?|counts?|counting|totals?|amounts?|times|sizes?|frequenc\w+"
    r"|most|least|fewest|more|average|quantit\w+|occurrences?|sums?|popularity|overall|statistics"
)
_UNASKED: Final = (
    (
        _denies,
        _words(
            "not|no|cannot|never|without|except|excluding|excludes?|other|neither|nor|none|different"
            r"|outside|besides|but|unlike|\w+n['’]?t'?|lacks?|lacking|any|only|non|un\w+|free|always"
        ),
    ),
    (_has(exp.Intersect), _words("both|and|also|as well|common|shared?|but|while|plus|or")),
    (_has(exp.Avg), _words(r"average\w*|mean|avg|normally|usually|typical(?:ly)?|rates?")),
    (
        _has(exp.Sum),
        _words(
            r"totals?|totall\w+|sums?|how (?:many|much)|numbers?|amounts?|all|combined|overall"
            r"|average\w*|mean|percent\w*|shares?|altogether|together|most|least|\w+est|counts?|more|less|than|fewer|quantity|aggregate\w*"
        ),
    ),
)
"""What a statement does, and words without which nobody asks for it."""
