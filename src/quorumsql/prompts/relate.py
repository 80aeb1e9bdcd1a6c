"""How a model is asked for keywords, for the columns of a question, and for descriptions.

What is not covered: checking that the names it replies with exist (`stages.columns`).
"""

from __future__ import annotations

from collections.abc import Mapping

from quorumsql.domain import Brief, Message, Question, Schema
from quorumsql.prompts.inert import RULE, fenced
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import opening, question_text
from quorumsql.render import render

__all__ = ["COLUMNS", "DESCRIPTIONS", "KEYWORDS", "columns", "descriptions", "keywords"]


def _list_of(name: str) -> Mapping[str, object]:
    return {
        "type": "object",
        "properties": {name: {"type": "array", "items": {"type": "string"}}},
        "required": [name],
        "additionalProperties": False,
    }


KEYWORDS = _list_of("keywords")
COLUMNS = _list_of("columns")
DESCRIPTIONS: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "table": {"type": "string"},
        "columns": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["table", "columns"],
    "additionalProperties": False,
}

_KEYWORDS = """\
Find the keywords of a question to a database: names of things, of their properties, and the values \
that are mentioned, each as it is written. Reply with JSON only.

Question: How many gas stations in CZE are of the premium segment?
{"keywords": ["gas stations", "CZE", "premium", "segment"]}

Question: Which school in Alameda had the highest average maths score in 2014?
{"keywords": ["school", "Alameda", "average maths score", "2014"]}
"""

_COLUMNS = """\
Which columns of the schema does a query need that answers the question? Name every column that it \
must show, filter, group, sort or compute with, and no others; keys that only join tables may be left \
out. Reply with JSON only: {"columns": ["table.column", …]}"""

_DESCRIPTIONS = """\
Describe the table and each of its columns for people who write queries: what it holds, in at most 20 \
words each, its unit and the meaning of codes where they can be told. Say nothing that cannot be told. \
Reply with JSON only: {"table": "…", "columns": {"COLUMN": "…"}}"""


def keywords(question: Question) -> tuple[Message, ...]:
    """Ask for the keywords of a question, without any schema."""
    known = f"What one must know: {question.evidence}\n" if question.evidence else ""
    return (
        Message(role="system", text=_KEYWORDS),
        Message(role="user", text=f"{known}Question: {question.text}"),
    )


def columns(brief: Brief, pages: Pages) -> tuple[Message, ...]:
    """Ask for the columns that a question needs."""
    rules, schema = opening(brief, pages)
    return (
        Message(role="system", text=rules),
        Message(role="user", text="\n\n".join([schema, _COLUMNS, question_text(brief)])),
    )


def descriptions(schema: Schema, facts: str) -> tuple[Message, ...]:
    """Ask for descriptions of the one table of `schema`; `facts` are what a profile found."""
    parts = [fenced("schema", render(schema))]
    parts += [fenced("facts", facts)] if facts else []
    return (
        Message(role="system", text=RULE),
        Message(role="user", text="\n\n".join([*parts, _DESCRIPTIONS])),
    )
