"""What a page shows beside the rows: the answer in words, the readings, the columns used, a chart.

A reading is one of the results that the generators reached. For each other reading the rows are
shown in which it differs from the chosen one.

What is not covered: drawing (`draw`), and differences beyond the first few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorumsql.charts import chart
from quorumsql.domain import Answer, Execution, Row, Rows, Schema
from quorumsql.explain import explain
from quorumsql.objects import answer_object, json_rows
from quorumsql.sql import is_ordered, names_in
from quorumsql.stages.readings import missing_rows
from quorumsql.words import in_words

__all__ = ["readings", "story", "told"]


def told(answer: Answer, schema: Schema) -> dict[str, Any]:
    """Return all there is to say of an answer."""
    return {
        "answer": answer_object(answer),
        "readings": readings(answer, schema.dialect),
        "hits": [[hit.table, hit.column, str(hit.value)[:200]] for hit in answer.hits],
        **story(answer.sql, answer.execution, schema),
    }


def story(sql: str | None, execution: Execution | None, schema: Schema) -> dict[str, Any]:
    """Return what there is to say of one statement and its result."""
    rows = execution if isinstance(execution, Rows) else None
    return {
        "words": in_words(rows.columns, rows.rows, truncated=rows.truncated) if rows else "",
        "explanation": explain(sql, schema.dialect) if sql else "",
        "used": _used(sql, schema) if sql else [],
        "chart": chart(rows.columns, rows.rows, ordered=is_ordered(sql or "", schema.dialect))
        if rows
        else None,
    }


def readings(answer: Answer, dialect: str) -> list[dict[str, Any]]:
    """Return every result that was reached, the one with most votes first."""
    chosen = answer.execution if isinstance(answer.execution, Rows) else None
    found = []
    for group in answer.choice.groups:
        members = [answer.candidates[place] for place in group.members]
        result = members[0].final.execution
        if not isinstance(result, Rows):
            continue
        is_chosen = answer.choice.candidate in group.members
        found.append(
            {
                "chosen": is_chosen,
                "votes": round(group.votes, 4),
                "generators": sorted({one.generator for one in members}),
                "sql": members[0].sql,
                "explanation": explain(members[0].sql, dialect),
                "columns": list(result.columns),
                "row_count": len(result.rows),
                "only_here": json_rows([] if is_chosen else _missing(result, chosen)),
                "only_chosen": json_rows([] if is_chosen else _missing(chosen, result)),
            }
        )
    return found


def _missing(here: Rows | None, there: Rows | None) -> Sequence[Row]:
    """The first rows that `here` has and `there` has not."""
    if here is None:
        return ()
    return missing_rows(here, there or Rows(columns=(), rows=()))


def _used(sql: str, schema: Schema) -> list[list[str]]:
    """Pairs of table and column that the statement names; whole tables with ""."""
    names, columns = names_in(sql, schema.dialect)
    tables = [t for name in names if (t := schema.table(name))]
    found: dict[tuple[str, str], None] = {(table.name, ""): None for table in tables}
    for ref in columns:
        for table in tables:
            column = table.column(ref.column)
            if column is not None and ref.table.lower() in {"", table.name.lower()}:
                found[table.name, column.name] = None
    return [list(pair) for pair in found]
