"""How generators are asked for SQL: one recipe per way of thinking, data before code.

All recipes begin alike (rules, then the schema) and end with what changes from question to question,
so that a service that remembers prefixes reads the long part once.

What is not covered: the layouts of released text-to-SQL weights (`layouts`), and conversations of
several turns (`explore`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from quorumsql.domain import Brief, Message
from quorumsql.prompts import layouts
from quorumsql.prompts.inert import RULE, fenced
from quorumsql.prompts.pages import Pages

__all__ = ["RECIPES", "Recipe", "Shot", "dialect_name", "opening", "question_text"]

_NAMES = {
    "sqlite": "SQLite",
    "postgres": "PostgreSQL",
    "mysql": "MySQL",
    "duckdb": "DuckDB",
    "tsql": "SQL Server",
    "oracle": "Oracle",
    "snowflake": "Snowflake",
    "bigquery": "BigQuery",
    "redshift": "Redshift",
    "clickhouse": "ClickHouse",
}

_RULES = """\
You write {dialect} queries that answer questions about a database.
- One statement, only reading. Use the tables and columns of the schema and no others; write their \
names as the schema does, quotes included.
- Return exactly the columns that the question asks for, in its order, and nothing more.
- Write values as the examples in the schema do.
- End with the query in one ```sql block.
{rule}"""

_METHODS: Mapping[str, str] = {
    "direct": "Write the query at once, without explanation.",
    "divide": """\
Divide and conquer: split the question into the smallest questions that the database can answer, one \
after the other. Write each as a common table expression named after what it holds, using the ones \
before it. The last SELECT puts them together. List the small questions in one line each, then write \
the query.""",
    "plan": """\
Think like the engine. Write the steps that it would take, one per line: which tables are read, which \
rows are kept and why, on which keys tables are joined, what is grouped, computed, sorted and cut. \
Then write the query that does just this.""",
    "standard": """\
Write in one strict style. Keywords in capitals, each clause on its own line. Every table has an alias \
T1, T2, … in the order of FROM, every column is qualified with it. Joins are written JOIN … ON with \
the keys of the schema. No SELECT *, no positions in GROUP BY or ORDER BY; a join rather than a \
subquery where both are possible. Write the query at once, without explanation.""",
    "icl": """\
The examples above were answered by people on this or other databases. Learn from their shape, not \
from their names and values. Write the query at once, without explanation.""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A solved question to learn from.

    `schema` shows only what its SQL uses, without values; `tables` counts the tables among that,
    `skeleton` is the question without what is particular about it.
    """

    question: str
    sql: str
    schema: str = ""
    evidence: str = ""
    skeleton: str = ""
    tables: int = 1
    dialect: str = "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A way of asking: what to send, and how freely the reply may vary.

    `write` turns a brief and shots into messages.
    """

    name: str
    write: Writer
    temperature: float = 0.0
    top_p: float | None = None
    max_tokens: int = 1024
    shots: int = 0


Writer: TypeAlias = Callable[[Brief, Sequence[Shot], Pages], tuple[Message, ...]]


def dialect_name(dialect: str) -> str:
    """Return the name of an SQL dialect as people write it."""
    return _NAMES.get(dialect, dialect.capitalize() or "SQL")


def opening(brief: Brief, pages: Pages) -> tuple[str, str]:
    """Return what all our prompts begin with: the rules, and the fenced schema."""
    rules = _RULES.format(dialect=dialect_name(brief.schema.dialect), rule=RULE)
    return rules, pages.fenced(brief)


def _ours(method: str) -> Writer:
    def write(brief: Brief, shots: Sequence[Shot], pages: Pages) -> tuple[Message, ...]:
        rules, schema = opening(brief, pages)
        parts = [schema]
        if shots:
            parts.append(fenced("examples", "\n\n".join(map(_shown, shots))))
        how = "direct" if method == "icl" and not shots else method  # there is nothing above
        parts += [_METHODS[how], question_text(brief)]
        return (
            Message(role="system", text=rules),
            Message(role="user", text="\n\n".join(parts)),
        )

    return write


def _released(layout: layouts.Layout) -> Writer:
    def write(brief: Brief, shots: Sequence[Shot], pages: Pages) -> tuple[Message, ...]:
        del shots  # weights trained on a layout know no other
        text = layout.question(
            dialect=dialect_name(brief.schema.dialect),
            schema=pages.schema(brief, layout.format),
            question=brief.question.text,
            evidence=brief.question.evidence,
        )
        return (Message(role="user", text=text),)

    return write


def question_text(brief: Brief) -> str:
    """Return the question with what one must know to understand it."""
    evidence = brief.question.evidence.strip()
    known = f"What one must know: {evidence}\n\n" if evidence else ""
    return f"{known}Question: {brief.question.text}"


def _shown(shot: Shot) -> str:
    lines = [shot.schema] if shot.schema else []
    lines += [f"Known: {shot.evidence}"] if shot.evidence else []
    return "\n".join([*lines, f"Question: {shot.question}", f"SQL: {' '.join(shot.sql.split())}"])


_ALL = (
    Recipe(name="direct", write=_ours("direct")),
    Recipe(name="divide", write=_ours("divide"), max_tokens=2048),
    Recipe(name="plan", write=_ours("plan"), max_tokens=2048),
    Recipe(name="standard", write=_ours("standard")),
    Recipe(name="icl", write=_ours("icl"), shots=5),
    # The sampling of their released inference code.
    Recipe(name="xiyan", write=_released(layouts.XIYAN), temperature=0.1, top_p=0.8),
    Recipe(name="xiyan-en", write=_released(layouts.XIYAN_EN), temperature=0.1, top_p=0.8),
    Recipe(name="omnisql", write=_released(layouts.OMNISQL), max_tokens=2048),
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
