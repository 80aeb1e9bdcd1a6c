"""What an engine expects of a statement, asked before it runs: dry runs and the guard on cost.

    [limits]
    estimate = 10000000    # rows that the engine may expect to handle in one step
    costly = "refuse"      # or "warn"

The estimate is that of the engine's planner: the most rows that any step of the plan yields. It
can be wrong by orders of magnitude, in both directions, so it stands beside the deadline and never
in its place.

What is not covered: SQLite, whose plans hold no numbers. A limit that cannot be checked is said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from quorumsql.domain import Execution, Failure, Limits, Row, Rows

__all__ = ["Plan", "duckdb_plan", "mysql_plan", "postgresql_plan", "sqlite_plan", "within_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an engine means to do, a line per step, and the most rows it expects of any step."""

    lines: tuple[str, ...]
    rows: int | None = None


def within_plan(
    limits: Limits, plan: Callable[[], Plan | Failure], run: Callable[[], Execution]
) -> Execution:
    """Run a statement, after its plan has been looked at where `limits` ask for that.

    Args:
        limits: with `dry`, the plan is the result, and nothing runs.
        plan: asks the engine.
        run: runs the statement.
    """
    if not limits.dry and limits.estimate is None:
        return run()
    found = plan()
    if isinstance(found, Failure):
        return found
    if limits.dry:
        rows: tuple[Row, ...] = tuple((line, found.rows) for line in found.lines)
        return Rows(columns=("step", "most_rows_expected"), rows=rows)
    words = _doubt(found, limits)
    if words and limits.costly == "refuse" and found.rows is not None:
        return Failure(kind="cap", message=f"{words} Narrow it, or raise limits.estimate.")
    execution = run()
    return replace(execution, warning=words) if isinstance(execution, Rows) else execution


def _doubt(plan: Plan, limits: Limits) -> str:
    most = limits.estimate or 0
    if plan.rows is None:
        return "This engine does not estimate rows, so limits.estimate was not checked."
    if plan.rows <= most:
        return ""
    return f"The engine expects to handle {plan.rows:,} rows, more than {most:,}."


def postgresql_plan(rows: Iterable[Row]) -> Plan:
    """Read what `EXPLAIN (FORMAT JSON)` gives on PostgreSQL."""
    steps: list[tuple[str, int]] = []

    def walk(node: Mapping[str, Any], depth: int) -> None:
        about = node.get("Relation Name") or node.get("CTE Name") or ""
        count = _whole(node.get("Plan Rows", 0))
        name = f"{node.get('Node Type', '?')}{f' on {about}' if about else ''}"
        steps.append((f"{'  ' * depth}{name} (rows={count})", count))
        for child in node.get("Plans", ()):
            walk(child, depth + 1)

    for (cell,) in rows:
        for query in json.loads(str(cell)):
            walk(query["Plan"], 0)
    return _plan(steps)


def duckdb_plan(rows: Iterable[Row]) -> Plan:
    """Read what `EXPLAIN (FORMAT json)` gives on DuckDB; joins it leaves out multiply."""
    steps: list[tuple[str, int]] = []

    def walk(node: Mapping[str, Any], depth: int) -> int:
        told = node.get("extra_info") or {}
        place = len(steps)
        steps.append(("", 0))
        children = [walk(child, depth + 1) for child in node.get("children", ())]
        estimated = told.get("Estimated Cardinality") if isinstance(told, dict) else None
        count = math.prod(children) if estimated is None else _whole(estimated)
        about = f" on {told['Table']}" if isinstance(told, dict) and "Table" in told else ""
        steps[place] = (f"{'  ' * depth}{node.get('name', '?')}{about} (rows={count})", count)
        return count

    for row in rows:
        for query in json.loads(str(row[-1])):
            walk(query, 0)
    return _plan(steps)


def mysql_plan(rows: Iterable[Row], columns: tuple[str, ...]) -> Plan:
    """Read the table that EXPLAIN gives on MariaDB and MySQL: steps of one query multiply."""
    products: dict[object, int] = {}
    lines = []
    for row in rows:
        step = dict(zip((name.lower() for name in columns), row, strict=True))
        count = _whole(step.get("rows") or 1)
        products[step.get("id")] = products.get(step.get("id"), 1) * max(1, count)
        extra = f", {step['extra']}" if step.get("extra") else ""
        how = f"{step.get('select_type') or '?'} {step.get('table') or ''}".strip()
        lines.append(f"{how} ({step.get('type') or 'no table'}, rows={count}{extra})")
    return Plan(lines=tuple(lines), rows=max(products.values(), default=0))


def sqlite_plan(rows: Iterable[Row]) -> Plan:
    """Read what EXPLAIN QUERY PLAN gives on SQLite: steps without numbers."""
    depth: dict[object, int] = {0: -1}
    lines = []
    for number, parent, _, text in rows:
        depth[number] = depth.get(parent, -1) + 1
        lines.append(f"{'  ' * depth[number]}{text}")
    return Plan(lines=tuple(lines))


def _plan(steps: list[tuple[str, int]]) -> Plan:
    rows = max((count for _, count in steps), default=0)
    return Plan(lines=tuple(_lines(steps)), rows=rows)


def _lines(steps: list[tuple[str, int]]) -> Iterator[str]:
    return (line for line, _ in steps)


def _whole(value: object) -> int:
    """A planner's number, which may be a text or larger than sense."""
    try:
        return int(min(float(str(value)), 1e18))
    except ValueError:
        return 0
