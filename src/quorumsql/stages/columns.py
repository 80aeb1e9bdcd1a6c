"""Schema linking by a language model: keywords, and Algorithm 1's choice of columns.

XiYan-SQL's schema filter (arXiv 2507.04701, section III): a model extracts keywords; what they and
the question retrieve is shown to a model that selects the columns it needs, twice: the second time
without those of the first, so that the schemas nest, S1 ⊂ S2. Keys of the selected tables and the
tables that connect them are always kept. Names that do not exist are passed over.

What is not covered: retrieval itself (`link`), and a schema that is small enough to be shown whole
costs no call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from quorumsql.domain import Brief, Hit, ModelRequest, Question, Schema
from quorumsql.joins import JoinGraph
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.relate import COLUMNS, KEYWORDS, columns, keywords
from quorumsql.replies import json_in
from quorumsql.stages.budget import Metered
from quorumsql.stages.link import within

__all__ = ["choose_columns", "keywords_of"]

_MOST = 12


def keywords_of(question: Question, model: Metered) -> tuple[str, ...]:
    """Return the keywords that a model finds in a question, none when its reply has none.

    Raises:
        ModelError: the model does not answer, or the budget is spent.
    """
    request = ModelRequest(
        messages=keywords(question), temperature=0.0, max_tokens=256, schema=KEYWORDS
    )
    reply = json_in(model.complete(request)[0].text)
    return tuple(dict.fromkeys(_strings(reply, "keywords")))[:_MOST]


def choose_columns(
    question: Question,
    schema: Schema,
    hits: Sequence[Hit],
    model: Metered,
    *,
    rounds: int = 2,
    pages: Pages | None = None,
) -> tuple[Schema, ...]:
    """Return nested schemas, the most precise first; equal ones only once.

    Where a model selects nothing that exists, its round adds nothing; `schema` itself comes back
    when no round selected anything.

    Raises:
        ModelError: the model does not answer, or the budget is spent.
    """
    rest, found = schema, list[Schema]()
    chosen, keys = set[tuple[str, str]](), set[tuple[str, str]]()
    for _ in range(rounds):
        brief = Brief(question=question, schema=rest, hits=within(hits, rest))
        request = ModelRequest(
            messages=columns(brief, pages or Pages()),
            temperature=0.0,
            max_tokens=1024,
            schema=COLUMNS,
        )
        reply = json_in(model.complete(request)[0].text)
        selected = set(_existing(_strings(reply, "columns"), schema))
        if selected:
            chosen |= selected
            keys |= _keys_of(schema, chosen)
            part = _part(schema, chosen | keys)
            if not found or part != found[-1]:
                found.append(part)
            rest = _part(rest, _places(rest) - (selected - keys))
    return tuple(found) or (schema,)


def _strings(reply: Mapping[str, object] | None, name: str) -> list[str]:
    values = (reply or {}).get(name)
    return [v.strip() for v in values if isinstance(v, str)] if isinstance(values, list) else []


def _existing(names: Iterable[str], schema: Schema) -> Iterable[tuple[str, str]]:
    for name in names:
        table_name, _, column_name = name.replace('"', "").replace("`", "").rpartition(".")
        table = schema.table(table_name.rpartition(".")[2]) or schema.table(table_name)
        column = table.column(column_name) if table is not None else None
        if table is not None and column is not None:
            yield table.name, column.name


def _keys_of(schema: Schema, chosen: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Primary keys of the tables in play, their bridges, and the keys that join them."""
    graph, (first, *others) = JoinGraph(schema), sorted({table for table, _ in chosen})
    names = {first, *others}
    for other in others:  # one by one: where some tables are apart, the others still connect
        path = graph.path([first, other])
        names |= set(path.tables) if path is not None else set()
    keys = {
        (table.name, column.name)
        for table in schema.tables
        if table.name in names
        for column in table.columns
        if column.primary_key
    }
    for key in schema.foreign_keys:
        if key.table in names and key.referred_table in names:
            keys |= {(key.table, column) for column in key.columns}
            keys |= {(key.referred_table, column) for column in key.referred_columns}
    return keys


def _places(schema: Schema) -> set[tuple[str, str]]:
    return {(table.name, column.name) for table in schema.tables for column in table.columns}


def _part(schema: Schema, kept: set[tuple[str, str]]) -> Schema:
    tables = []
    for table in schema.tables:
        own = tuple(column for column in table.columns if (table.name, column.name) in kept)
        if own:
            tables.append(replace(table, columns=own))
    present = _places(replace(schema, tables=tuple(tables)))
    keys = tuple(
        key
        for key in schema.foreign_keys
        if {(key.table, c) for c in key.columns} <= present
        and {(key.referred_table, c) for c in key.referred_columns} <= present
    )
    return replace(schema, tables=tuple(tables), foreign_keys=keys)
