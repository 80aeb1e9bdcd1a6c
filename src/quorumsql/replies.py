"""Read what a language model wrote: its SQL, its JSON, its label.

Models wrap what they were asked for: in thoughts, in prose, in fences, in JSON, in several
statements. What cannot be read is no answer rather than a guess.

What is not covered: whether a statement may run (`guard`), and prose that describes SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

__all__ = ["LONGEST", "json_in", "label_in", "sql_in", "without_thoughts"]

LONGEST = 20_000
"""Characters of a statement; a longer one is a model that lost its way."""

_OPENED = re.compile(r"<(think|thinking|thought|reasoning)>", re.I)
_CLOSED = re.compile(r"</(think|thinking|thought|reasoning)>", re.I)
_FENCED = re.compile(r"```[ \t]*([\w+-]*)[ \t]*\r?\n?(.*?)(?:```|\Z)", re.S)
_TAGGED = re.compile(r"<(?:answer|sql)>(.*?)</(?:answer|sql)>", re.S | re.I)
_BEGINS = re.compile(
    r"^[ \t>*(]*(SELECT|WITH|VALUES|INSERT|UPDATE|DELETE|DROP|CREATE|ALTER|PRAGMA|ATTACH)\b",
    re.I | re.M,
)
_PROSE = re.compile(r"\n[ \t]*\n(?=[A-Z][a-z]+ |\*\*|#|-|\d\.)|\n(?:Explanation|Note|This query)\b")


def without_thoughts(text: str) -> str:
    """Return a reply without what the model thought aloud; of an unended thought nothing stays."""
    ends = list(_CLOSED.finditer(text))
    if ends:
        text = text[ends[-1].end() :]
    begun = _OPENED.search(text)
    if begun:
        text = text[: begun.start()]
    return text.strip()


def sql_in(text: str, dialect: str = "") -> str | None:
    """Return the statement that a reply holds, None when it holds none.

    The last fenced or tagged statement wins, since models state their final answer last. Of
    several reading statements in one place the last is taken; anything else comes back whole,
    for the guard to refuse.
    """
    for found in _places(without_thoughts(text)):
        cleaned = found.strip().strip("`").strip()
        if cleaned and len(cleaned) <= LONGEST and _BEGINS.match(cleaned.lstrip("(")):
            return _one_of(_uncommented(cleaned), dialect)
    return None


def json_in(text: str) -> Mapping[str, object] | None:
    """Return the JSON object that a reply holds, also inside a fence or prose; else None."""
    text = without_thoughts(text)
    decoder = json.JSONDecoder()
    for start in (m.start() for m in list(re.finditer(r"\{", text))[:20]):
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def label_in(text: str, labels: Sequence[str]) -> str | None:
    """Return the label that a reply chooses: its only one, or the last that is named as such."""
    text = without_thoughts(text)
    known = {label.upper(): label for label in labels}
    bare = re.fullmatch(r"[\s\"'`*(\[【]*(\w+)[\s\"'`*)\]】.,:]*", text)
    if bare and bare[1].upper() in known:
        return known[bare[1].upper()]
    words = "|".join(re.escape(label) for label in labels)
    marked = re.compile(
        rf"(?:candidate|answer|choice|option|候选|选择)\W{{0,12}}(?:is\W{{1,4}})?({words})\b", re.I
    )
    named = marked.findall(text)
    if named:
        return known.get(named[-1].upper())
    first = re.match(rf"\W*({words})(?=[.,:)\]*]|[ \t]*(?:\n|\Z))", text)  # not "A customer …"
    return known.get(first[1].upper()) if first else None


def _places(text: str) -> list[str]:
    """Where a statement may stand, likeliest first."""
    fenced = [(kind.lower(), body) for kind, body in _FENCED.findall(text)]
    places = [body for _, body in reversed(fenced)]
    places = [*_TAGGED.findall(text)[::-1], *places]
    whole = json_in(text) if text.lstrip().startswith("{") or "```json" in text else None
    if whole is not None:
        places = [str(whole[key]) for key in ("sql", "SQL", "query") if whole.get(key)] + places
    closed = text.split("```", 1)[0]  # the prompt had opened the fence
    for candidate in (closed, text):
        if begun := _BEGINS.search(candidate):
            rest = candidate[begun.start(1) :]
            places.append(_PROSE.split(rest, maxsplit=1)[0])
    return places


def _uncommented(sql: str) -> str:
    return re.sub(r"\A(?:\s*--[^\n]*\n)+", "", sql).strip().rstrip(";").rstrip()


def _one_of(sql: str, dialect: str) -> str:
    if ";" not in sql:
        return sql
    try:
        trees = [tree for tree in sqlglot.parse(sql, read=dialect or None) if tree is not None]
    except (SqlglotError, RecursionError, ValueError):
        return sql
    if len(trees) > 1 and all(isinstance(tree, exp.Query) for tree in trees):
        return trees[-1].sql(dialect=dialect or None)
    return sql
