from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quorumsql.domain import Column, ColumnRef, ForeignKey, Hit, Schema, Table
from quorumsql.errors import UnknownName
from quorumsql.guard import check
from quorumsql.render import RENDERERS, render

DATA = Path(__file__).parent / "data" / "render"
CASES = sorted(path.stem for path in DATA.glob("*.json"))


def load(name: str) -> tuple[Schema, dict[str, Any]]:
    """The schema of a case, and the arguments that its texts were made with."""
    case = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    tables = tuple(
        Table(**{**table, "columns": tuple(map(column, table["columns"]))})
        for table in case["schema"].pop("tables")
    )
    keys = tuple(map(foreign_key, case["schema"].pop("foreign_keys", [])))
    schema = Schema(**case["schema"], tables=tables, foreign_keys=keys)
    arguments: dict[str, Any] = {"hits": [hit(*parts) for parts in case.get("hits", [])]}
    if "columns" in case:
        arguments["columns"] = {ColumnRef(table=t, column=c) for t, c in case["columns"]}
    return schema, arguments


def column(parts: dict[str, Any]) -> Column:
    return Column(**{**parts, "examples": tuple(parts.get("examples", ()))})


def foreign_key(parts: dict[str, Any]) -> ForeignKey:
    pairs: dict[str, Any] = {name: tuple(parts[name]) for name in ("columns", "referred_columns")}
    return ForeignKey(**{**parts, **pairs})


def hit(table: str, column: str, value: object) -> Hit:
    return Hit(table=table, column=column, value=value, start=0, end=1, score=1.0, match="exact")


def one(*examples: object, type: str = "TEXT", hits: tuple[Hit, ...] = ()) -> str:
    """The M-Schema tuple of a table `t` with one column `c`."""
    table = Table(name="t", columns=(Column(name="c", type=type, examples=examples),))
    return render(Schema(name="x", tables=(table,)), hits=hits).splitlines()[4]


@pytest.mark.parametrize("format", sorted(RENDERERS))
@pytest.mark.parametrize("name", CASES)
def test_texts_are_as_written_down(name: str, format: str) -> None:
    schema, arguments = load(name)
    expected = (DATA / f"{name}.{format}.txt").read_text(encoding="utf-8")
    assert render(schema, format, **arguments) + "\n" == expected


def test_every_text_belongs_to_a_case() -> None:
    texts = {path.name for path in DATA.glob("*.txt")}
    assert texts == {f"{name}.{format}.txt" for name in CASES for format in RENDERERS}


def test_an_unknown_format_names_the_closest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'mschema'"):
        render(Schema(name="x"), "mschma")


def test_an_empty_schema() -> None:
    assert render(Schema(name="x")) == "【DB_ID】 x\n【Schema】"
    assert render(Schema(name="x"), "ddl") == render(Schema(name="x"), "compact") == ""


@pytest.mark.parametrize(
    ("examples", "shown"),
    [
        ((Decimal("1.50"), Decimal("2")), "[1.5, 2.0]"),
        ((date(2024, 1, 31), date(2024, 2, 1)), "[2024-01-31]"),
        ((datetime(2024, 1, 31, 10, tzinfo=UTC),), "[2024-01-31 10:00:00+00:00]"),
        ((time(10, 30), time(11)), "[10:30:00]"),
        ((True, False), "[True, False]"),
        ((0, 0.0, 1), "[0, 1]"),
        (("a", "a", "b"), "[a, b]"),
        (("'; DROP TABLE t; --",), "['''; DROP TABLE t; --']"),
    ],
)
def test_values_of_every_kind(examples: tuple[object, ...], shown: str) -> None:
    assert one(*examples) == f"(c:TEXT, Examples: {shown})"


@pytest.mark.parametrize("value", [b"\x00\x01", "two\nlines", "bell\a", None, ""])
def test_what_cannot_be_shown_is_not(value: object) -> None:
    assert one(value) == "(c:TEXT)"
    assert one(value, hits=(hit("t", "c", value),)) == "(c:TEXT)"


def test_retrieved_values_come_first_and_once() -> None:
    hits = tuple(hit("T", "C", value) for value in ("z", "b", "z", "w" * 60, "q"))
    assert one("a", "b", hits=hits) == f"(c:TEXT, Examples: [z, b, {'w' * 60}, q])"
    assert one("a", "b", "d", hits=hits[:1]) == "(c:TEXT, Examples: [z, a, b])"
    assert one("ana@example.com", hits=hits[:1]) == "(c:TEXT, Examples: [z])"


def test_the_selection_does_not_change_the_schema() -> None:
    schema, arguments = load("selected")
    before = render(schema)
    render(schema, **arguments)
    assert render(schema) == before


@pytest.mark.parametrize("name", CASES)
def test_ddl_is_sql_that_sqlite_takes(name: str) -> None:
    schema, arguments = load(name)
    if schema.dialect != "sqlite":
        schema = load("keys")[0]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(render(schema, "ddl", **arguments))
        made = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
        named = render(schema, "compact", **arguments).splitlines()
        assert len([name for name in made if not name.startswith("sqlite_")]) == len(named)


@pytest.mark.parametrize("name", CASES)
def test_names_can_be_copied_into_sql(name: str) -> None:
    schema, _ = load(name)
    for line in render(schema, "compact").splitlines():
        table = line[: line.index("(", line.rfind('"', 0, line.index("(") + 1) + 1)]
        assert check(f"SELECT count(*) FROM {table}", dialect=schema.dialect) is None
