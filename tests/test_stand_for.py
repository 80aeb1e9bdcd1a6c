"""Names are shown in place of ids, unless the question asks for ids."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from command import parsed, quorum
from quorumsql.domain import Column, ForeignKey, Schema, Table
from quorumsql.stages.stand_for import names_for_ids


def schema_of(dialect: str = "sqlite") -> Schema:
    def table(name: str, *columns: str) -> Table:
        first, *rest = columns
        plain = tuple(Column(name=column) for column in rest)
        return Table(name=name, columns=(Column(name=first, primary_key=True), *plain))

    def key(table: str, column: str, other: str, there: str) -> ForeignKey:
        return ForeignKey(
            table=table, columns=(column,), referred_table=other, referred_columns=(there,)
        )

    return Schema(
        name="shop",
        dialect=dialect,
        tables=(
            table("customers", "customer_id", "first_name", "last_name", "city"),
            table("orders", "order_id", "customer_id", "order_date", "total"),
            table("employees", "EmployeeID", "Name", "ManagerID"),
            table("films", "id", "title", "rating"),
            table("airports", "airport_id", "airport_name", "city_name"),
            table("visits", "visit_id", "film_id", "note"),
            table("ratings", "rating_id", "city_name"),
            table("group", "group_id", "thing id"),
            replace(table("main.odd things", "id", "full name"), schema="main"),
        ),
        foreign_keys=(
            key("orders", "customer_id", "customers", "customer_id"),
            key("employees", "ManagerID", "employees", "EmployeeID"),
            key("visits", "film_id", "films", "id"),
            key("group", "thing id", "main.odd things", "id"),
        ),
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT customer_id FROM customers WHERE city = 'Rome'",
            "SELECT first_name, last_name FROM customers WHERE city = 'Rome'",
        ),
        (
            "SELECT EmployeeID FROM employees ORDER BY Name",
            "SELECT Name FROM employees ORDER BY Name",
        ),
        (
            "SELECT DISTINCT customer_id FROM orders WHERE total > 5",
            "SELECT customers.first_name, customers.last_name FROM orders LEFT JOIN customers ON "
            "orders.customer_id = customers.customer_id WHERE orders.total > 5 "
            "GROUP BY orders.customer_id, customers.first_name, customers.last_name",
        ),
        (
            "SELECT COUNT(*), customer_id FROM orders GROUP BY customer_id "
            "HAVING COUNT(*) >= 10 ORDER BY COUNT(*) DESC",
            "SELECT COUNT(*), customers.first_name, customers.last_name FROM orders LEFT JOIN "
            "customers ON orders.customer_id = customers.customer_id GROUP BY orders.customer_id, "
            "customers.first_name, customers.last_name HAVING COUNT(*) >= 10 "
            "ORDER BY COUNT(*) DESC",
        ),
        (
            "SELECT T2.customer_id, SUM(T1.total) FROM orders AS T1 JOIN customers AS T2 "
            "ON T1.customer_id = T2.customer_id GROUP BY T2.customer_id",
            "SELECT T2.first_name, T2.last_name, SUM(T1.total) FROM orders AS T1 "
            "JOIN customers AS T2 ON T1.customer_id = T2.customer_id GROUP BY T2.customer_id, "
            "T2.first_name, T2.last_name",
        ),
        (
            "SELECT T1.customer_id FROM orders AS T1 JOIN customers AS T2 "
            "ON T1.customer_id = T2.customer_id WHERE T2.city = 'Rome'",
            "SELECT T2.first_name, T2.last_name FROM orders AS T1 JOIN customers AS T2 "
            "ON T1.customer_id = T2.customer_id WHERE T2.city = 'Rome'",
        ),
        (
            "SELECT film_id FROM visits WHERE note = 'x'",
            "SELECT films.title FROM visits LEFT JOIN films ON visits.film_id = films.id "
            "WHERE visits.note = 'x'",
        ),
        ("SELECT airport_id FROM airports", "SELECT airport_name FROM airports"),
        (
            'SELECT "thing id" FROM "group"',
            'SELECT "odd things"."full name" FROM "group" LEFT JOIN main."odd things" '
            'ON "group"."thing id" = "odd things".id',
        ),
    ],
)
def test_a_name_stands_in_place_of_an_id(sql: str, expected: str) -> None:
    assert names_for_ids(sql, "Which ones are these?", schema_of()) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT order_id FROM orders",  # has no name
        "SELECT rating_id FROM ratings",  # has none of its own
        "SELECT film_id FROM visits WHERE film_id IN (SELECT id FROM films)",  # whose film_id?
        "SELECT ManagerID FROM employees",  # another row of the same table
        "SELECT customer_id, order_id FROM orders",
        "SELECT first_name, customer_id FROM customers",
        "SELECT DISTINCT customer_id, order_date FROM orders",
        "SELECT COUNT(customer_id) FROM orders",
        "SELECT customer_id, COUNT(*) FROM orders",
        "SELECT customer_id FROM customers EXCEPT SELECT customer_id FROM orders",
        "SELECT customer_id FROM (SELECT * FROM orders) AS o",
        "SELECT customer_id FROM elsewhere",
        "no SQL",
    ],
)
def test_other_statements_stay(sql: str) -> None:
    assert names_for_ids(sql, "Which ones are these?", schema_of()) is None


@pytest.mark.parametrize(
    "question",
    ["Which customer ids are these?", "Give the customer number.", "customer_id of each", "Codes?"],
)
def test_ids_that_are_asked_for_stay(question: str) -> None:
    sql = "SELECT customer_id FROM customers"
    assert names_for_ids(sql, question, schema_of()) is None


def test_an_answer_shows_names_one_for_each_row_that_an_id_stands_for(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customer);"
            "INSERT INTO customer VALUES (1, 'Ada'), (2, 'Alan'), (3, 'Ada');"
            "INSERT INTO orders (customer_id) VALUES (3), (1), (2), (3);"
        )
    given = ("ask", "--db", path, "--json")
    script = {"one": ["SELECT DISTINCT customer_id FROM orders"]}
    found = parsed(quorum(*given, "Who ordered anything?", script=script))
    assert sorted(found["rows"]) == [["Ada"], ["Ada"], ["Alan"]]
    found = parsed(quorum(*given, "Which customer ids ordered anything?", script=script))
    assert sorted(found["rows"]) == [[1], [2], [3]]
