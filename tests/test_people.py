"""People are shown by their whole name, unless the question names a part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import parsed, quorum
from quorumsql.domain import Column, Schema, Table
from quorumsql.stages.people import whole_names


def schema_of(dialect: str = "sqlite") -> Schema:
    def table(name: str, *columns: str) -> Table:
        return Table(name=name, columns=tuple(Column(name=column) for column in columns))

    return Schema(
        name="shop",
        dialect=dialect,
        tables=(
            table("customers", "id", "first_name", "last_name", "city"),
            table("orders", "id", "customer_id"),
            table("Patient", "PatientID", "FirstName", "LastName"),
            table("staff", "staff_fname", "staff_lname", "boss_lname"),
            table("pet", "first_name"),
        ),
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT first_name FROM customers WHERE city = 'Rome'",
            "SELECT first_name, last_name FROM customers WHERE city = 'Rome'",
        ),
        (
            "SELECT city, last_name, id FROM customers",
            "SELECT city, first_name, last_name, id FROM customers",
        ),
        (
            "SELECT T1.first_name, COUNT(*) FROM customers AS T1 JOIN orders AS T2 "
            "ON T1.id = T2.customer_id GROUP BY T1.first_name",
            "SELECT T1.first_name, T1.last_name, COUNT(*) FROM customers AS T1 JOIN orders AS T2 "
            "ON T1.id = T2.customer_id GROUP BY T1.first_name, T1.last_name",
        ),
        (
            "SELECT first_name FROM customers WHERE NOT id IN (SELECT customer_id FROM orders)",
            "SELECT first_name, last_name FROM customers WHERE NOT id IN "
            "(SELECT customer_id FROM orders)",
        ),
        ("SELECT FirstName FROM Patient", "SELECT FirstName, LastName FROM Patient"),
        ("SELECT staff_fname FROM staff", "SELECT staff_fname, staff_lname FROM staff"),
    ],
)
def test_the_other_part_of_a_name_stands_beside_one(sql: str, expected: str) -> None:
    assert whole_names(sql, "Which people are these?", schema_of()) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What are the first names of customers?",
        "Give the first and the last name of all",
        "customers' surnames",
        "the given name, please",
        "Last and first names?",
        "List fname of all staff",
    ],
)
def test_a_question_that_names_a_part_gets_that(question: str) -> None:
    assert whole_names("SELECT first_name FROM customers", question, schema_of()) is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT first_name, last_name FROM customers",
        "SELECT last_name, city, first_name FROM customers",
        "SELECT COUNT(DISTINCT first_name) FROM customers",
        "SELECT first_name FROM pet",
        "SELECT city FROM customers WHERE first_name = 'Ann'",
        "SELECT boss_lname FROM staff",
        "SELECT first_name FROM customers EXCEPT SELECT first_name FROM pet",
        "no SQL at all",
    ],
)
def test_nothing_else_is_changed(sql: str) -> None:
    assert whole_names(sql, "Who?", schema_of()) is None


def test_the_first_customer_is_no_first_name() -> None:
    found = whole_names("SELECT first_name FROM customers", "Who came first?", schema_of())
    assert found == "SELECT first_name, last_name FROM customers"


def test_quotes_are_kept() -> None:
    found = whole_names('SELECT "FirstName" FROM "Patient"', "Who?", schema_of("postgres"))
    assert found == 'SELECT "FirstName", "LastName" FROM "Patient"'


def test_an_answer_shows_whole_names(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    path = tmp_path / "people.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT);"
            "INSERT INTO person VALUES (1, 'Ada', 'Byron'), (2, 'Alan', 'Turing');"
        )
    given = ("ask", "--db", path, "--json")
    script = {"one": ["SELECT first_name FROM person ORDER BY id LIMIT 1"]}
    found = parsed(quorum(*given, "Who was registered first?", script=script))
    assert found["rows"] == [["Ada", "Byron"]]
    found = parsed(quorum(*given, "Whose first name was registered first?", script=script))
    assert found["rows"] == [["Ada"]]
