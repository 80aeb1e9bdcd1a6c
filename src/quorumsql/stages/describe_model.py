"""Descriptions of tables and columns by a language model, after what rules found.

The last steps of XiYan-DBDescGen (arXiv 2502.20657): per table, the model sees the schema and what
the profile says, and writes a sentence for the table and for each column. Where it says nothing,
the sentence of the rules stays.

What is not covered: the overview of the whole database that DBDescGen asks for first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from quorumsql.domain import ModelRequest, Schema, Table
from quorumsql.errors import ModelError
from quorumsql.ports import LanguageModel
from quorumsql.prompts.inert import harmless, inert
from quorumsql.prompts.relate import DESCRIPTIONS, descriptions
from quorumsql.replies import json_in
from quorumsql.stages.describe import Descriptions
from quorumsql.stages.together import together

__all__ = ["describe_with"]

_LONGEST = 200
_AT_ONCE = 8


def describe_with(
    model: LanguageModel,
    schema: Schema,
    rules: Descriptions,
    *,
    private: bool = False,
    on_table: Callable[[str], None] = lambda _: None,
) -> Descriptions:
    """Return descriptions of all tables that `rules` describe.

    With `private` the model sees names, types and keys only. `on_table` hears of each table that
    is done.

    Raises:
        ModelError: the model answers for no table at all.
    """
    shown, _ = harmless(schema, (), private=private)
    wanted = [table for table in shown.tables if table.name in rules.tables]
    tables, columns = dict(rules.tables), dict(rules.columns)
    lost: list[ModelError] = []
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        jobs = [partial(_asked, model, shown, table, rules, private) for table in part]
        for table, found in zip(part, together(jobs), strict=True):
            on_table(table.name)
            if isinstance(found, ModelError):
                lost.append(found)
                continue
            if isinstance(found.get("table"), str) and str(found["table"]).strip():
                tables[table.name] = inert(str(found["table"]))[:_LONGEST]
            own = found.get("columns")
            for name, text in own.items() if isinstance(own, dict) else ():
                column = table.column(str(name))
                if column is not None and isinstance(text, str) and text.strip():
                    columns[table.name, column.name] = inert(text)[:_LONGEST]
    if wanted and len(lost) == len(wanted):
        raise lost[0]
    return Descriptions(tables=tables, columns=columns)


def _asked(
    model: LanguageModel, schema: Schema, table: Table, rules: Descriptions, private: bool
) -> Mapping[str, object]:
    """What the model says of one table, with the keys that leave or reach it."""
    keys = tuple(k for k in schema.foreign_keys if table.name in {k.table, k.referred_table})
    alone = replace(schema, tables=(table,), foreign_keys=keys)
    facts = [rules.tables.get(table.name, "")]
    facts += [text for (owner, _), text in rules.columns.items() if owner == table.name]
    request = ModelRequest(
        messages=descriptions(alone, "" if private else "\n".join(map(inert, facts))),
        temperature=0.0,
        max_tokens=2048,
        schema=DESCRIPTIONS,
    )
    return json_in(model.complete(request)[0].text) or {}
