"""Examples for the in-context generator: found by their skeleton, shown with little around them.

As XiYan-SQL describes its ICL generator: entities masked by type and values by column, the most
similar skeletons win, a question about several tables only gets examples that join tables, and each
example brings the part of its schema that its SQL uses.

What is not covered: keeping examples (`stores.examples`), and similarity by an encoder's vectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from quorumsql.domain import Brief, ColumnRef, Hit, Schema
from quorumsql.prompts.inert import harmless
from quorumsql.prompts.write import Shot
from quorumsql.render import render
from quorumsql.skeletons import nearest, skeleton_of, without_literals
from quorumsql.sql import names_in

__all__ = ["NearestShots", "Solved", "meant_tables", "shot_of"]

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


class Solved(Protocol):
    """A store of examples."""

    def approved(self) -> Sequence[Shot]:
        """Return the examples that somebody approved."""
        ...


class NearestShots:
    """Finds shots in a store."""

    def __init__(self, store: Solved) -> None:
        """Take the store; it is read again for every question, so that it may grow."""
        self._store = store

    def like(self, brief: Brief, *, count: int, private: bool) -> tuple[Shot, ...]:
        """Return up to `count` shots, the most similar last.

        With `private`, questions come as skeletons, statements without literals.
        """
        joins = len(meant_tables(brief)) > 1
        pool = [shot for shot in self._store.approved() if shot.tables > 1 or not joins]
        wanted = skeleton_of(brief.question.text, brief.hits)
        found = nearest(wanted, [shot.skeleton for shot in pool], count=count)
        shots = [pool[index] for index in found][::-1]
        return tuple(_masked(shot) if private else shot for shot in shots)


def shot_of(
    question: str, sql: str, schema: Schema, hits: Sequence[Hit] = (), *, evidence: str = ""
) -> Shot:
    """Return a solved question as an example, with its skeleton and the schema its SQL uses."""
    read, columns = names_in(sql, schema.dialect)
    names = {name.lower() for name in read}
    tables = [table for table in schema.tables if table.name.lower() in names]
    refs = set(_resolved(columns, schema, names))
    for table in tables:  # SELECT count(*) names no column
        if not any(ref.table == table.name for ref in refs) and table.columns:
            refs.add(ColumnRef(table=table.name, column=table.columns[0].name))
    shown, _ = harmless(schema, (), private=True)
    return Shot(
        question=question,
        sql=sql,
        schema=render(shown, "compact", columns=refs),
        evidence=evidence,
        skeleton=skeleton_of(question, hits),
        tables=max(len(tables), 1),
        dialect=schema.dialect,
    )


def meant_tables(brief: Brief) -> frozenset[str]:
    """Return the tables that a question speaks of: by their name, or by a value they hold."""
    text = f"{brief.question.text} {brief.question.evidence}".lower()
    words = {_singular(word) for word in re.findall(r"[^\W_]+", text)}
    named = {
        table.name
        for table in brief.schema.tables
        if (parts := {_singular(part.lower()) for part in _PART.findall(table.name)})
        and parts <= words
    }
    present = {table.name for table in brief.schema.tables}
    valued = {h.table for h in brief.hits if h.match == "exact" and h.score >= 0.95}
    return frozenset(named | (valued & present))


def _masked(shot: Shot) -> Shot:
    sql = without_literals(shot.sql, shot.dialect)
    return replace(shot, question=shot.skeleton, sql=sql, evidence="")


def _resolved(refs: Iterable[ColumnRef], schema: Schema, names: set[str]) -> Iterable[ColumnRef]:
    """References with the table's own spelling; an unqualified one where only one table fits."""
    for ref in refs:
        wanted = {ref.table.lower()} if ref.table else names
        fitting = [
            (table.name, column.name)
            for table in schema.tables
            if table.name.lower() in wanted and (column := table.column(ref.column)) is not None
        ]
        if len(fitting) == 1:
            yield ColumnRef(table=fitting[0][0], column=fitting[0][1])


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
