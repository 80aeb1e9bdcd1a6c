"""Hostile statements: classes written by hand, each line in several forms. Data is in *.toml.

A line of the form `statement` is also hidden behind comments, other case, a first statement, a
subquery and WITH; a `call` stands wherever an expression can stand, a `source` wherever a table
can; `text` stays as it is; `policy` is for permissions; `bomb` names a text that is too big,
`growth` one that is short and stands for one that is too big.
Every text is distinct.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ENGINES = ("sqlite", "duckdb", "postgres", "mysql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One statement: its class, its text, and the layers that must stop it."""

    kind: str
    sql: str
    layers: frozenset[str]
    is_policy: bool = False


@cache
def corpus(engine: str) -> tuple[Hostile, ...]:
    """All statements for one engine, each text once."""
    found: dict[str, Hostile] = {}
    for one in (*_read("common"), *_read(engine)):
        for number, line in enumerate(one["lines"]):
            layers = frozenset(one["layers"])
            if line.startswith(tuple(one.get("tree_only", ()))):
                layers = frozenset({"tree"})
            form = FORMS[one["form"]]
            for sql in form(line, number, one.get("rotate", 5)):
                found.setdefault(
                    sql,
                    Hostile(
                        kind=one["name"],
                        sql=sql,
                        layers=layers,
                        is_policy=one["form"] == "policy",
                    ),
                )
    return tuple(found.values())


def filled(sql: str, places: Mapping[str, str]) -> str:
    """`sql` with the places where files and ports are."""
    for name, value in places.items():
        sql = sql.replace(f"@{name}@", value)
    return sql


def _read(name: str) -> list[dict[str, Any]]:
    classes = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["class"]
    assert isinstance(classes, list)
    return classes


def _statement(line: str, number: int, rotate: int) -> Iterator[str]:
    yield line
    yield f"SELECT 1; {line}"
    yield f"/* report */ {line}"
    others = (
        line.swapcase(),
        f"SELECT * FROM ({line}) AS q",
        f"WITH q AS ({line}) SELECT * FROM q",
        f"-- top customers\n{line}",
        line.replace(" ", "\n\t", 1) + "\n",
        line.replace(" ", "/**/", 1) + " /**/",
        f"EXPLAIN ANALYZE {line}",
        f"({line})",
        f"SELECT 1 UNION {line}",
    )
    yield from _some(others, number, rotate - 2)


def _call(line: str, number: int, rotate: int) -> Iterator[str]:
    yield f"SELECT {line}"
    others = (
        f"SELECT id FROM staff WHERE {line} IS NOT NULL",
        f"SELECT id FROM staff ORDER BY {line}",
        f"SELECT count(*) FROM staff GROUP BY {line}",
        f"SELECT count(*) FROM staff HAVING max(id) > 0 AND {line} IS NOT NULL",
        f"SELECT CASE WHEN {line} IS NULL THEN 1 END",
        f"WITH q AS (SELECT {line} AS x) SELECT x FROM q",
        f"SELECT * FROM (SELECT {line} AS x) AS q",
        f"SELECT NULL UNION ALL SELECT {line}",
        f"SELECT a.id FROM staff AS a JOIN staff AS b ON {line} IS NOT NULL",
        f"SELECT 1 WHERE EXISTS (SELECT 1 FROM staff WHERE {line} IS NOT NULL)",
        f"SELECT id FROM staff WHERE id IN (SELECT 1 FROM staff WHERE {line} IS NULL)",
        f"SELECT coalesce(NULL, {line})",
        f"SELECT (SELECT {line})",
        f"VALUES ({line})",
        f"SELECT first_value({line}) OVER (ORDER BY id) FROM staff",
        f"SELECT {line.swapcase() if '@' not in line else line} AS x, 1",
        f"SELECT {line.replace('(', '/* */(', 1)} AS x",
    )
    yield from _some(others, number, rotate)


def _source(line: str, number: int, rotate: int) -> Iterator[str]:
    yield f"SELECT * FROM {line}"
    others = (
        f"SELECT q.* FROM {line} AS q",
        f"SELECT count(*) FROM {line}",
        f"SELECT * FROM staff CROSS JOIN {line} AS q",
        f"SELECT * FROM (SELECT * FROM {line}) AS q",
        f"WITH q AS (SELECT * FROM {line}) SELECT * FROM q",
        f"SELECT 1 WHERE EXISTS (SELECT 1 FROM {line})",
        f"SELECT (SELECT count(*) FROM {line})",
        f"SELECT id FROM staff WHERE id IN (SELECT count(*) FROM {line})",
        f"SELECT 1 UNION ALL SELECT count(*) FROM {line}",
        f"SELECT * FROM staff LEFT JOIN {line} AS q ON 1 = 1",
        f"/* report */ SELECT * FROM\n{line}",
    )
    yield from _some(others, number, rotate)


def _text(line: str, number: int, rotate: int) -> Iterator[str]:
    yield line


def _bomb(line: str, number: int, rotate: int) -> Iterator[str]:
    """Texts that a parser reads for long, or in too deep a recursion."""
    shapes: Mapping[str, Callable[[int], str]] = {
        "brackets": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
        "cases": lambda n: "SELECT " + "CASE WHEN 1=1 THEN " * n + "1" + " END" * n,
        "calls": lambda n: "SELECT " + "abs(" * n + "1" + ")" * n,
        "subqueries": lambda n: "SELECT * FROM " + "(SELECT * FROM " * n + "staff" + ") AS q" * n,
        "arrays": lambda n: "SELECT " + "[" * n + "1" + "]" * n,
        "casts": lambda n: "SELECT " + "CAST(" * n + "1" + " AS INTEGER)" * n,
        "exists": lambda n: "SELECT " + "EXISTS (SELECT " * n + "1" + ")" * n,
        "long": lambda n: "SELECT '" + "x" * (n * 1000) + "'",
        "wide": lambda n: "SELECT " + ", ".join(["1"] * (n * 500)),
    }
    for size in (300, 3_000):
        yield shapes[line](size)


def _growth(line: str, number: int, rotate: int) -> Iterator[str]:
    """Chains in which each part holds the one before it twice."""
    first, following = line.split(" THEN ", 1)
    for size in (18, 30):
        parts = [f"c0 AS ({first})"]
        parts += [f"c{n + 1} AS ({following.replace('@', f'c{n}')})" for n in range(size)]
        yield f"WITH {', '.join(parts)} SELECT x FROM c{size}"


def _some(texts: tuple[str, ...], number: int, count: int) -> Iterator[str]:
    """`count` of `texts`, others for every line."""
    for step in range(count):
        yield texts[(number * count + step) % len(texts)]


FORMS: Mapping[str, Callable[[str, int, int], Iterator[str]]] = {
    "statement": _statement,
    "call": _call,
    "source": _source,
    "text": _text,
    "policy": _text,
    "bomb": _bomb,
    "growth": _growth,
}
