"""Follow-ups change a statement so that it finds what a hand-written one finds, on real rows."""

from __future__ import annotations

import datetime
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import quorumsql.follow
from quorumsql import connect
from quorumsql.api import Connection
from quorumsql.domain import Hit, Rows
from quorumsql.follow import edited
from quorumsql.follow.dates import Period, period
from quorumsql.follow.words import comparison
from quorumsql.results import same_result
from quorumsql.sample import build_sample
from scripted import Scripted

TODAY = datetime.date(2024, 3, 15)
ORDERS = "SELECT COUNT(*) FROM orders"
NAMES = "SELECT name, price FROM products"
PEOPLE = "SELECT name FROM employees"
CITIES = "SELECT city, COUNT(*) FROM customers GROUP BY city"
IN_2023 = "order_date >= '2023-01-01' AND order_date < '2024-01-01'"

# The statement before, the follow-up, and a statement that finds what it asks for.
CASES = [
    # limit
    (NAMES, "only the first 3", f"{NAMES} LIMIT 3"),
    (NAMES, "and the top five by price?", f"{NAMES} ORDER BY price DESC LIMIT 5"),
    (NAMES, "top 5", f"{NAMES} ORDER BY price DESC LIMIT 5"),
    (NAMES, "the bottom two by weight",
     f"{NAMES} WHERE weight IS NOT NULL ORDER BY weight LIMIT 2"),
    (NAMES, "sort by weight", f"{NAMES} ORDER BY weight IS NULL, weight"),
    (f"{NAMES} ORDER BY weight DESC", "in reverse", f"{NAMES} ORDER BY weight IS NULL, weight"),
    (NAMES, "10 rows", f"{NAMES} LIMIT 10"),
    (NAMES, "just 2 of them please", f"{NAMES} LIMIT 2"),
    (CITIES, "top 3", f"{CITIES} ORDER BY COUNT(*) DESC LIMIT 3"),
    (f"{NAMES} ORDER BY price LIMIT 9", "last 2", f"{NAMES} ORDER BY price DESC LIMIT 2"),
    (f"{NAMES} LIMIT 5", "show all", NAMES),
    # sort
    (NAMES, "sort by price", f"{NAMES} ORDER BY price"),
    (NAMES, "sorted by price, highest first", f"{NAMES} ORDER BY price DESC"),
    (NAMES, "order them by stock descending", f"{NAMES} ORDER BY stock DESC"),
    (NAMES, "largest first", f"{NAMES} ORDER BY price DESC"),
    (NAMES, "alphabetically", f"{NAMES} ORDER BY name"),
    (NAMES, "newest first", f"{NAMES} ORDER BY launch_date DESC"),
    (CITIES, "sort by count descending", f"{CITIES} ORDER BY COUNT(*) DESC"),
    (f"{NAMES} ORDER BY price DESC", "the other way round", f"{NAMES} ORDER BY price"),
    # group
    (ORDERS, "and by month?", "SELECT strftime('%Y-%m', order_date), COUNT(*) FROM orders "
     "GROUP BY 1 ORDER BY 1"),
    (ORDERS, "per year", "SELECT strftime('%Y', order_date), COUNT(*) FROM orders "
     "GROUP BY 1 ORDER BY 1"),
    (ORDERS, "by quarter", "SELECT strftime('%Y', order_date) || '-Q' || "
     "((strftime('%m', order_date) + 2) / 3), COUNT(*) FROM orders GROUP BY 1 ORDER BY 1"),
    ("SELECT COUNT(*) FROM orders WHERE order_date >= '2024-12-30'", "by week",
     "SELECT '2025-W01', COUNT(*) FROM orders WHERE order_date >= '2024-12-30'"),
    (ORDERS, "split by channel", "SELECT channel, COUNT(*) FROM orders GROUP BY channel"),
    (ORDERS, "by country", "SELECT n.name, COUNT(*) FROM orders o "
     "JOIN customers c USING (customer_id) JOIN countries n USING (country_id) "
     "GROUP BY country_id"),
    (ORDERS, "for each employee", "SELECT e.name, COUNT(*) FROM orders o "
     "LEFT JOIN employees e USING (employee_id) GROUP BY o.employee_id"),
    (ORDERS, "by segment", "SELECT segment, COUNT(*) FROM orders "
     "JOIN customers USING (customer_id) GROUP BY segment"),
    ("SELECT SUM(quantity * unit_price) FROM order_items", "by month",
     "SELECT strftime('%Y-%m', order_date), SUM(quantity * unit_price) FROM order_items "
     "JOIN orders USING (order_id) GROUP BY 1 ORDER BY 1"),
    ("SELECT COUNT(*) FROM orders o JOIN customers c ON o.customer_id = c.customer_id",
     "by customer", "SELECT c.name, COUNT(*) FROM orders JOIN customers c USING (customer_id) "
     "GROUP BY customer_id"),
    (CITIES, "by segment instead", "SELECT segment, COUNT(*) FROM customers GROUP BY segment"),
    # count
    (f"{NAMES} WHERE price > 100", "how many is that?",
     "SELECT COUNT(*) FROM products WHERE price > 100"),
    (CITIES, "how many are there", "SELECT COUNT(DISTINCT city) FROM customers"),
    ("SELECT p.name, c.name FROM products p JOIN categories c USING (category_id) LIMIT 7",
     "how many is that?", "SELECT 7"),
    # time
    (ORDERS, "what about 2023?", f"{ORDERS} WHERE {IN_2023}"),
    (ORDERS, "only 2023", f"{ORDERS} WHERE {IN_2023}"),
    (f"{CITIES} ORDER BY 2 DESC", "limit it to 2000", f"{CITIES} ORDER BY 2 DESC"),
    ("SELECT channel, COUNT(*) FROM orders GROUP BY channel", "only 2023",
     f"SELECT channel, COUNT(*) FROM orders WHERE {IN_2023} GROUP BY channel"),
    (ORDERS, "only in March 2023",
     f"{ORDERS} WHERE order_date >= '2023-03-01' AND order_date < '2023-04-01'"),
    (ORDERS, "in Q4 2023",
     f"{ORDERS} WHERE order_date >= '2023-10-01' AND order_date < '2024-01-01'"),
    (ORDERS, "between 2022 and 2023",
     f"{ORDERS} WHERE order_date >= '2022-01-01' AND order_date < '2024-01-01'"),
    (ORDERS, "since 2023-06-15", f"{ORDERS} WHERE order_date >= '2023-06-15'"),
    (ORDERS, "last month",
     f"{ORDERS} WHERE order_date >= '2024-02-01' AND order_date < '2024-03-01'"),
    (ORDERS, "the last 30 days", f"{ORDERS} WHERE order_date >= '2024-02-14'"),
    (ORDERS, "the last three months", f"{ORDERS} WHERE order_date >= '2023-12-15'"),
    (f"{ORDERS} WHERE {IN_2023}", "and 2024?",
     f"{ORDERS} WHERE order_date >= '2024-01-01' AND order_date < '2025-01-01'"),
    (f"{ORDERS} WHERE order_date >= '2023-01-01'", "before 2024", f"{ORDERS} WHERE {IN_2023}"),
    ("SELECT COUNT(*) FROM order_items", "in 2023",
     f"SELECT COUNT(*) FROM order_items JOIN orders USING (order_id) WHERE {IN_2023}"),
    # numbers
    (NAMES, "only those over 300", f"{NAMES} WHERE price > 300"),
    (NAMES, "only those with a price of at least 1,000", f"{NAMES} WHERE price >= 1000"),
    (NAMES, "with stock below 10", f"{NAMES} WHERE stock < 10"),
    (NAMES, "between 100 and 200", f"{NAMES} WHERE price BETWEEN 100 AND 200"),
    (NAMES, "cheaper than 50 euros", f"{NAMES} WHERE price < 50"),
    (PEOPLE, "who have a salary above 60k", f"{PEOPLE} WHERE salary > 60000"),
    (PEOPLE, "older than 50", f"{PEOPLE} WHERE birth_date <= '1973-03-15'"),
    (CITIES, "only those over 30", f"{CITIES} HAVING COUNT(*) > 30"),
    (CITIES, "more than 30 customers", f"{CITIES} HAVING COUNT(*) > 30"),
    # values
    (ORDERS, "only cancelled", f"{ORDERS} WHERE status = 'cancelled'"),
    (ORDERS, "without the cancelled ones", f"{ORDERS} WHERE status <> 'cancelled'"),
    (f"{ORDERS} WHERE status = 'cancelled'", "what about shipped?",
     f"{ORDERS} WHERE status = 'shipped'"),
    (ORDERS, "only from Lisbon",
     f"{ORDERS} JOIN customers USING (customer_id) WHERE city = 'Lisbon'"),
    ("SELECT COUNT(*) FROM customers", "only Lisbon and Gothenburg",
     "SELECT COUNT(*) FROM customers WHERE city IN ('Lisbon', 'Gothenburg')"),
]  # fmt: skip
NOT_UNDERSTOOD = [
    (ORDERS, "why is that?"),
    (ORDERS, "top 5"),  # of one number
    (ORDERS, "by colour"),
    (NAMES, "by month"),  # nothing is counted
    (NAMES, "last 3"),  # of no order
    (NAMES, "over 300 and under 500"),
    (NAMES, "on 2024-02-31"),
    (CITIES, "sort by birth date"),  # a city has many
    (ORDERS, "why are there so many in Lisbon?"),
    ("SELECT name FROM products UNION SELECT name FROM customers", "top 5"),
    ("WITH x AS (SELECT 1 AS a) SELECT a FROM x", "by month"),
]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    path = tmp_path_factory.mktemp("follow") / "company.sqlite"
    build_sample(path)
    with connect(str(path), generators=[Scripted("one", ORDERS)]) as database:
        yield database


def changed(company: Connection, before: str, text: str) -> str | None:
    return edited(before, text, company.schema, company.mentions(text), today=TODAY)


@pytest.mark.parametrize(("before", "text", "reference"), CASES)
def test_a_follow_up_finds_what_it_asks_for(
    company: Connection, before: str, text: str, reference: str
) -> None:
    sql = changed(company, before, text)
    assert sql is not None
    found, wanted = company.sql(sql), company.sql(reference)
    assert isinstance(wanted, Rows) and wanted.rows, wanted
    assert isinstance(found, Rows), (sql, found)
    assert same_result(found, wanted, ordered="ORDER BY" in reference), (sql, found.rows[:5])


@pytest.mark.parametrize(("before", "text"), NOT_UNDERSTOOD)
def test_what_is_not_understood_is_left_to_the_generators(
    company: Connection, before: str, text: str
) -> None:
    assert changed(company, before, text) is None


def test_one_follow_up_goes_on_from_another(company: Connection) -> None:
    sql = ORDERS
    for text in ("by country", "only in 2023", "more than 20", "top 3"):
        sql = changed(company, sql, text) or ""
    reference = company.sql(
        "SELECT n.name, COUNT(*) FROM orders JOIN customers USING (customer_id) "
        f"JOIN countries n USING (country_id) WHERE {IN_2023} GROUP BY country_id "
        "HAVING COUNT(*) > 20 ORDER BY COUNT(*) DESC LIMIT 3"
    )
    found = company.sql(sql)
    assert isinstance(found, Rows) and isinstance(reference, Rows) and len(found.rows) == 3
    assert same_result(found, reference, ordered=True), sql


def test_things_are_called_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "club.sqlite"
    with closing(sqlite3.connect(path)) as opened:
        opened.executescript(
            "CREATE TABLE trainers (id INTEGER PRIMARY KEY, title TEXT, last_name TEXT);"
            "CREATE TABLE teams (team_id INTEGER PRIMARY KEY, team_name TEXT,"
            " trainer_id INTEGER REFERENCES trainers (id));"
            "CREATE TABLE games (team_id INTEGER REFERENCES teams (team_id), year INTEGER,"
            " entered DATE, goals INTEGER);"
            "INSERT INTO trainers VALUES (1, 'Dr.', 'Sousa'), (2, 'Dr.', 'Dias');"
            "INSERT INTO teams VALUES (1, 'Reds', 1), (2, 'Blues', 2);"
            "INSERT INTO games VALUES (1, 2022, '2024-01-01', 3), (1, 2023, '2024-01-01', 1),"
            " (2, 2023, '2024-01-01', 5);"
        )
    with connect(str(path), generators=[Scripted("one", ORDERS)]) as club:
        goals = "SELECT SUM(goals) FROM games"
        for words, rows in [
            ("by team", {("Reds", 4), ("Blues", 5)}),
            ("by trainer", {("Sousa", 4), ("Dias", 5)}),
            ("by year", {(2022, 3), (2023, 6)}),  # of the game, not of when it was entered
        ]:
            sql = edited(goals, words, club.schema)
            assert sql is not None
            found = club.sql(sql)
            assert isinstance(found, Rows)
            assert set(found.rows) == rows


def test_joins_never_count_a_row_twice(company: Connection) -> None:
    by_item = changed(company, "SELECT COUNT(*) FROM products", "by quantity")
    assert by_item is None  # quantities stand in lines of orders, many to a product


def test_a_hit_in_the_middle_of_more_is_no_condition(company: Connection) -> None:
    text = "only Lisbon"
    hit = Hit(table="customers", column="city", value="x' OR 1=1 --", start=5, end=11, score=1.0,
              match="exact")  # fmt: skip
    sql = edited("SELECT COUNT(*) FROM customers", text, company.schema, [hit]) or ""
    found = company.sql(sql)
    assert isinstance(found, Rows) and found.rows == ((0,),) and "''" in sql


@pytest.mark.parametrize(
    ("words", "first", "end"),
    [
        ("in december 2023", "2023-12-01", "2024-01-01"),
        ("until 2023", None, "2024-01-01"),
        ("after 2023-02-28", "2023-03-01", None),
        ("from 2023-02 to 2023-03", "2023-02-01", "2023-04-01"),
        ("yesterday", "2024-03-14", "2024-03-15"),
        ("this week", "2024-03-11", "2024-03-18"),
        ("last year", "2023-01-01", "2024-01-01"),
        ("the last 2 years", "2022-03-15", None),
    ],
)
def test_time_ranges(words: str, first: str | None, end: str | None) -> None:
    def day(text: str | None) -> datetime.date | None:
        return None if text is None else datetime.date.fromisoformat(text)

    assert period(words, TODAY) == Period(first=day(first), end=day(end))


@pytest.mark.parametrize("words", ["in 20234", "in februar", "2023-13-01", "since ever", ""])
def test_what_is_no_time_range(words: str) -> None:
    assert period(words, TODAY) is None


def test_numbers_as_people_write_them() -> None:
    for words, number in (("over 1.5 million", 1_500_000), ("under €2,000", 2_000), ("> 7", 7)):
        found = comparison(words)
        assert found is not None and found.number == number
    assert comparison("over the moon") is None and comparison("between 3") is None
    assert comparison(f"over {'9' * 400}") is None


@pytest.mark.parametrize("words", ["by channel " + "x" * 200_000, "why is that so? " * 12_500])
def test_a_follow_up_that_is_very_long_is_cut_as_a_question_is(words: str, tmp_path: Path) -> None:
    """The first is understood by a rule once it is cut, the second is asked anew."""
    build_sample(tmp_path / "shop.sqlite")
    with connect(str(tmp_path / "shop.sqlite"), generators=[Scripted("one", ORDERS)]) as shop:
        before = shop.ask("How many orders are there?")
        (warning,) = shop.ask(words).warnings
        began = time.monotonic()
        answer = shop.follow_up(before, words)
        took = time.monotonic() - began
    assert (answer.candidates[0].generator == "follow-up") is words.startswith("by channel")
    assert answer.warnings == (warning,) and "only its first 1000 characters" in warning
    assert took < 20.0  # looking for values in all of it takes half a minute


def test_the_example_of_the_documentation_runs() -> None:
    import doctest

    assert doctest.testmod(quorumsql.follow).attempted > 0
    assert doctest.testmod(quorumsql.follow).failed == 0
    assert Path(quorumsql.follow.__file__).name == "__init__.py"


def test_a_time_takes_the_place_of_another_beside_a_condition(company: Connection) -> None:
    """Each time stands for itself, also where the first came beside something else."""
    schema, sql = company.schema, f"{ORDERS} WHERE status = 'cancelled'"
    for text in ("in March 2023", "what about April 2023?"):
        sql = edited(sql, text, schema, today=TODAY) or ""
    april = "order_date >= '2023-04-01' AND orders.order_date < '2023-05-01'"
    assert sql == f"{ORDERS} WHERE status = 'cancelled' AND orders.{april}"
    held = f"{ORDERS} WHERE (status = 'cancelled' AND orders.order_date < '2023-04-01')"
    assert edited(held, "before May 2023", schema, today=TODAY) == (
        f"{ORDERS} WHERE status = 'cancelled' AND orders.order_date < '2023-05-01'"
    )


def test_a_time_holds_beside_alternatives(company: Connection) -> None:
    sql = f"{ORDERS} WHERE status = 'cancelled' OR channel = 'web'"
    found = edited(sql, "before May 2023", company.schema, today=TODAY)
    assert found == (
        f"{ORDERS} WHERE (status = 'cancelled' OR channel = 'web') "
        "AND orders.order_date < '2023-05-01'"
    )
