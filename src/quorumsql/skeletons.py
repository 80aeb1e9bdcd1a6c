"""Questions and statements without their values, to see which questions are built alike.

XiYan-SQL picks examples for its in-context generator by the similarity of questions whose entities
are masked by type and whose values by column (arXiv 2411.08599; described in arXiv 2507.04701), so
that neither a name that two questions share nor a literal of an example misleads the model.
Similarity is the cosine of weighted words and word pairs (TF-IDF, computed over the store).

What is not covered: a trained recogniser of entities. Values that the database holds, quotations,
numbers, dates and capitalised names are found; a name in small letters that no column holds is not.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.domain import Hit

__all__ = ["nearest", "skeleton_of", "without_literals"]

_QUOTED = re.compile(r"(?<!\w)(['\"“‘«])(?!\s)(.+?)(?<!\s)(['\"”’»])(?!\w)")
_DATE = re.compile(
    r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b|"
    r"\b(?:\d{1,2} )?(?:January|February|March|April|May|June|July|August|September|October|"
    r"November|December)(?: \d{1,2},)?(?: \d{4})?\b"
)
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")
_NUMBER = re.compile(r"(?<![\w<])-?\d[\d,]*(?:\.\d+)?%?(?![\w>])")
_NAME = re.compile(r"(?<=[a-z0-9,;:] )(?:[A-Z][\w.'’&-]*)(?: (?:of |de |the )?[A-Z][\w.'’&-]*)*")
_WORD = re.compile(r"<[^<>]+>|[^\W_]+")


def skeleton_of(question: str, hits: Sequence[Hit] = ()) -> str:
    """Return a question without what is particular about it.

    `<column>` stands for values that `hits` found, `<date>`, `<year>`, `<number>`, `<text>` and
    `<name>` for everything else of that kind.
    """
    text = _with_columns(question, hits)
    text = _QUOTED.sub("<text>", text)
    text = _DATE.sub("<date>", text)
    text = _YEAR.sub("<year>", text)
    text = _NUMBER.sub("<number>", text)
    return " ".join(_NAME.sub("<name>", text).split())


def without_literals(sql: str, dialect: str, *, keep: str = "") -> str:
    """Return SQL whose literals do not give away data: only those that stand in `keep` stay.

    Small whole numbers in LIMIT stay too. SQL that does not parse loses all quoted text and all
    numbers.
    """
    known = keep.casefold()

    def masked(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Literal) or isinstance(node.parent, exp.Limit):
            return node
        if node.name.casefold() in known and node.name:
            return node
        return exp.Literal.string("…") if node.is_string else exp.Literal.number(0)

    try:
        tree = sqlglot.parse_one(sql, read=dialect or None)
        return tree.transform(masked).sql(dialect=dialect or None, comments=False)
    except (SqlglotError, RecursionError, ValueError):
        bare = re.sub(r"'(?:[^']|'')*'", "'…'", sql)
        bare = re.sub(r'"(?:[^"]|"")*"', '"…"', bare)
        return re.sub(r"--[^\n]*|/\*.*?\*/|\b\d[\d.]*\b", " ", bare)


def nearest(question: str, pool: Sequence[str], *, count: int) -> tuple[int, ...]:
    """Return the positions of the skeletons in `pool` most like the one of `question`, best first.

    One of several equal skeletons is enough.
    """
    bags = [_bag(skeleton) for skeleton in pool]
    spread = Counter(term for bag in bags for term in bag)
    own = _bag(question)
    scores = [_cosine(own, bag, spread, len(pool)) for bag in bags]
    order = sorted(range(len(pool)), key=lambda i: (-scores[i], i))
    chosen: dict[str, int] = {}
    for i in order:
        if scores[i] > 0:
            chosen.setdefault(pool[i], i)
    return tuple(chosen.values())[:count]


def _with_columns(question: str, hits: Sequence[Hit]) -> str:
    """Replace mentions from the end on, so that places stay right; the best hit of a place wins."""
    taken: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.start - h.end, -h.score)):
        apart = all(hit.end <= other.start or hit.start >= other.end for other in taken)
        if apart and hit.score >= 0.8 and 0 <= hit.start < hit.end <= len(question):
            taken.append(hit)
    for hit in sorted(taken, key=lambda h: -h.start):
        column = "_".join(hit.column.split()).lower()
        question = f"{question[: hit.start]}<{column}>{question[hit.end :]}"
    return question


def _bag(skeleton: str) -> Counter[str]:
    words = [word.lower() for word in _WORD.findall(skeleton)]
    # Two values of any columns are alike; that they are of this column counts on top.
    kinds = ["<value>" if word.startswith("<") else word for word in words]
    pairs = [f"{a} {b}" for a, b in pairwise(kinds)]
    return Counter([*words, *pairs])


def _cosine(a: Counter[str], b: Counter[str], spread: Counter[str], size: int) -> float:
    def weight(term: str, count: int) -> float:
        return count * (1.0 + math.log((1 + size) / (1 + spread[term])))

    shared = sum(weight(t, a[t]) * weight(t, b[t]) for t in a.keys() & b.keys())
    norms = math.sqrt(sum(weight(t, n) ** 2 for t, n in a.items()))
    norms *= math.sqrt(sum(weight(t, n) ** 2 for t, n in b.items()))
    return shared / norms if norms else 0.0
