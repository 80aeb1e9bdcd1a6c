"""Times that generators cannot write are set apart and added to their SQL, on a real shop."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Answer, Question, Rows
from quorumsql.follow import edited
from quorumsql.follow.dates import Period, period, phrase
from quorumsql.pipeline import Pipeline
from quorumsql.ports import Database
from quorumsql.stages.units import last_words
from quorumsql.stages.when import Apart, set_apart
from quorumsql.stores.values import MemoryValueIndex
from scripted import Scripted

TODAY = datetime.date(2024, 5, 15)
ORDERS = "SELECT COUNT(*) FROM orders"
IN_MARCH = "order_date >= '2024-03-01' AND order_date < '2024-04-01'"
TABLES = """
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT, signup_date TEXT,
 birth_date DATE);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY,
 customer_id INTEGER REFERENCES customers (customer_id), order_date TEXT, shipped_date TEXT,
 status TEXT, total REAL, is_excused TEXT, shipped INTEGER);
CREATE TABLE campaigns (campaign TEXT, budget REAL);
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Orders of 2023, of 2024 and of the last weeks before this one, whenever that is."""
    path = tmp_path_factory.mktemp("when") / "store.sqlite"
    today = datetime.date.today()  # noqa: DTZ011
    days = [datetime.date(2023, 1, 3) + datetime.timedelta(days=5 * n) for n in range(140)]
    days += [today - datetime.timedelta(days=n) for n in (0, 1, 3, 20, 200, 370)]
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.executescript(TABLES)
        born = [(n, f"name {n}", f"2023-{n:02}-10", f"{1940 + 5 * n}-06-01") for n in range(1, 13)]
        opened.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", born)
        opened.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",
            [
                (n, n % 12 + 1, str(day), str(day + datetime.timedelta(days=30)), "open", 10.0 + n)
                for n, day in enumerate(days)
            ],
        )
        opened.execute("INSERT INTO campaigns VALUES ('March 2024', 5), ('Spring', 9)")
    database = open_database(str(path))
    yield database
    database.close()


def answered(database: Database, question: str, *sqls: str) -> tuple[Answer, Scripted]:
    member = Scripted("a", *sqls)
    index = MemoryValueIndex.build(database, database.schema())
    asking = Pipeline(database=database, generators=(member,), index=index)
    return asking.answer(Question(text=question)), member


def rows(database: Database, sql: str) -> tuple[tuple[object, ...], ...]:
    found = database.execute(sql)
    assert isinstance(found, Rows), found
    return found.rows


def day_before(days: int) -> str:
    return str(datetime.date.today() - datetime.timedelta(days=days))  # noqa: DTZ011


@pytest.mark.parametrize(
    ("question", "rest", "condition"),
    [
        ("How many orders were placed in March 2024?", "How many orders were placed?", IN_MARCH),
        ("How many orders in 2024-03?", "How many orders are there?", IN_MARCH),
        ("In March 2024, how many orders were placed?", "How many orders were placed?", IN_MARCH),
        ("the March 2024 orders", "List all orders", IN_MARCH),
        ("How many orders on May 3rd, 2023?", "How many orders are there?",
         "order_date = '2023-05-03'"),
        ("How many orders were placed on 3 May 2023?", "How many orders were placed?",
         "order_date = '2023-05-03'"),
        ("How many orders in Q1 2024?", "How many orders are there?",
         "order_date BETWEEN '2024-01-01' AND '2024-03-31'"),
        ("orders since February 2024", "List all orders", "order_date >= '2024-02-01'"),
        ("orders placed after Jan 15, 2024", "Orders placed", "order_date > '2024-01-15'"),
        ("orders before Q2 2023", "List all orders", "order_date < '2023-04-01'"),
        ("How many orders between March and May 2023?", "How many orders are there?",
         "order_date BETWEEN '2023-03-01' AND '2023-05-31'"),
        ("orders in the last 30 days", "List all orders",
         f"order_date >= '{day_before(30)}'"),
        ("How many orders were placed yesterday?", "How many orders were placed?",
         f"order_date = '{day_before(1)}'"),
        ("How many orders were placed this year?", "How many orders were placed?",
         f"order_date LIKE '{day_before(0)[:4]}%'"),
    ],
)  # fmt: skip
def test_a_time_is_added_to_what_was_written_without_it(
    database: Database, question: str, rest: str, condition: str
) -> None:
    answer, member = answered(database, question, ORDERS)
    assert [brief.question.text for brief in member.briefs] == [rest]
    assert answer.question == question
    assert answer.rows == rows(database, f"{ORDERS} WHERE {condition}")
    assert "order_date, not shipped_date" in answer.warnings[0]
    assert answer.confidence == 1.0


def test_two_results_that_may_be_offered_are_both_changed(database: Database) -> None:
    other = "SELECT COUNT(DISTINCT customer_id) FROM orders"
    answer, _ = answered(database, "orders in March 2024", ORDERS, other)
    assert [len(one.attempts) for one in answer.candidates] == [2, 2]
    assert all("2024-03-01" in one.sql for one in answer.candidates)


@pytest.mark.parametrize(
    ("question", "sql", "wanted"),
    [
        ("How many orders were shipped in March 2024?", ORDERS,
         f"{ORDERS} WHERE shipped_date LIKE '2024-03%'"),
        ("Orders from March 2024 that have no shipping date",
         "SELECT order_id FROM orders WHERE shipped_date IS NULL OR total > 0",
         f"SELECT order_id FROM orders WHERE {IN_MARCH}"),
        ("How many customers signed up in March 2023?", "SELECT COUNT(*) FROM customers",
         "SELECT 1"),
        ("How many customers were born in June 1960?", "SELECT COUNT(*) FROM customers",
         "SELECT 1"),
        ("Which customers placed an order in March 2024?",
         "SELECT DISTINCT name FROM customers JOIN orders USING (customer_id)",
         f"SELECT DISTINCT name FROM customers JOIN orders USING (customer_id) WHERE {IN_MARCH}"),
        ("Which customers did not order anything in March 2024?",
         "SELECT name FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM orders)",
         "SELECT name FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM orders "
         f"WHERE {IN_MARCH})"),
    ],
)  # fmt: skip
def test_the_date_is_the_one_that_the_question_speaks_of(
    database: Database, question: str, sql: str, wanted: str
) -> None:
    answer, _ = answered(database, question, sql)
    assert sorted(map(str, answer.rows)) == sorted(map(str, rows(database, wanted)))
    assert answer.rows


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("Which orders did not ship last month?", "SELECT order_id FROM orders EXCEPT SELECT 1"),
        ("Which campaigns ran last month?", "SELECT campaign FROM campaigns"),
        ("orders above the average last month",
         "SELECT order_id FROM orders WHERE total > (SELECT AVG(total) FROM orders)"),
        ("orders and customers in Q1 2024",
         "SELECT order_id FROM orders UNION SELECT customer_id FROM customers"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_added_all_is_asked_and_said(
    database: Database, question: str, sql: str
) -> None:
    answer, member = answered(database, question, sql)
    assert answer.sql == sql
    assert member.briefs[-1].question.text == question
    assert any("could not be added to the SQL" in text for text in answer.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "orders in 2024",
        "orders on 2024-05-03",
        "orders between 2023-01-01 and 2023-02-01",
        "orders in March and May",
        "orders on Mondays or Fridays",
        "orders on Monday to Friday",
        "orders in May 3",
        "orders placed more than 3 months ago",
        "more orders than last year",
        "orders in March 2024 or April 2024",
        "orders in March 2024 and in 2023",
        "orders last month compared to last year",
        "orders not placed in May 2024",
        "how many days since May 2024",
        "orders in the first week of May 2024",
        "orders by the end of last year",
        "paid by March 2024",
        "How many customers do we have today?",
        "in the last month of 2023",
        "the last 5 orders",
        "the last order",
        "model 2024-05",
        "on February 30, 2024",
        "customers who may 1",
    ],
)
def test_what_generators_write_or_nobody_can_add_is_left(text: str) -> None:
    found = phrase(text, TODAY)
    assert found is None


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("How many orders were not excused in May 2024?", "in May 2024"),
        ("orders not shipped in May 2024", None),  # they may be shipped in June
        ("orders not placed in May 2024", None),
        ("customers not born in May 1980", None),
    ],
)
def test_what_is_not_so_is_of_that_time_and_what_was_not_done_is_not(
    database: Database, text: str, apart: str | None
) -> None:
    found = set_apart(text, database.schema(), (), today=TODAY)
    assert (found.phrase if found else None) == apart


@pytest.mark.parametrize(
    ("question", "sql", "wanted"),
    [
        ("Customers who signed up since June 2023", "SELECT DISTINCT signup_date FROM customers",
         "SELECT name FROM customers WHERE signup_date >= '2023-06-01'"),
        ("How many customers were born before January 1980?",
         "SELECT COUNT(DISTINCT birth_date) FROM customers",
         "SELECT COUNT(*) FROM customers WHERE birth_date < '1980-01-01'"),
        ("On which dates did customers sign up since June 2023?",
         "SELECT DISTINCT signup_date FROM customers",
         "SELECT signup_date FROM customers WHERE signup_date >= '2023-06-01'"),
        ("On how many days were customers born before January 1980?",
         "SELECT COUNT(DISTINCT birth_date) FROM customers",
         "SELECT COUNT(DISTINCT birth_date) FROM customers WHERE birth_date < '1980-01-01'"),
        ("The signup of customers since June 2023", "SELECT name, signup_date FROM customers",
         "SELECT name, signup_date FROM customers WHERE signup_date >= '2023-06-01'"),
    ],
)  # fmt: skip
def test_people_are_shown_and_counted_not_their_days(
    database: Database, question: str, sql: str, wanted: str
) -> None:
    answer, _ = answered(database, question, sql)
    assert sorted(answer.rows, key=str) == sorted(rows(database, wanted), key=str)


def test_a_date_in_another_script_is_a_date(tmp_path: Path) -> None:
    path = tmp_path / "tasks.sqlite"
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE tasks (name TEXT, дата DATE)")
        opened.execute("INSERT INTO tasks VALUES ('one', '2024-03-31'), ('two', '2024-04-01')")
    with closing(open_database(str(path))) as database:
        found, _ = answered(database, "Tasks in March 2024", "SELECT name FROM tasks")
    assert found.rows == (("one",),)


def test_a_result_is_changed_once_though_others_of_it_were_written(database: Database) -> None:
    sqls = ("SELECT COUNT(order_id) FROM orders WHERE status = 'open'", ORDERS)
    answer, _ = answered(database, "How many orders were placed in March 2024?", *sqls)
    assert answer.sql is not None and answer.sql.count(">= '2024-03-01'") == 1
    assert [len(one.attempts) for one in answer.candidates] == [2, 2]


def test_a_stored_value_is_no_time_and_without_dates_nothing_is(database: Database) -> None:
    schema = database.schema()
    index = MemoryValueIndex.build(database, schema)
    text = "the budget of campaign March 2024"
    assert set_apart(text, schema, index.mentions(text), today=TODAY) is None
    assert set_apart(text, schema, (), today=TODAY) is not None
    undated = type(schema)(
        name="x", tables=tuple(t for t in schema.tables if t.name == "campaigns")
    )
    assert set_apart(text, undated, (), today=TODAY) is None


def test_an_age_is_added_where_only_birthdays_are_known(database: Database) -> None:
    answer, member = answered(
        database, "How many customers are older than 65?", "SELECT COUNT(*) FROM customers"
    )
    today = datetime.date.today()  # noqa: DTZ011
    born = [datetime.date(1940 + 5 * n, 6, 1) for n in range(1, 13)]
    edge = today.replace(year=today.year - 66, day=min(today.day, 28))
    assert answer.rows == ((sum(day <= edge for day in born),),)
    assert member.briefs[0].question.text == "How many customers are there?"
    schema = database.schema()
    young = set_apart("customers who are younger than 30", schema, (), today=TODAY)
    assert young == Apart(rest="List all customers", phrase="who are younger than 30", today=TODAY)


@pytest.mark.parametrize(
    ("words", "first", "end"),
    [
        ("on the 3rd of May 2024", "2024-05-03", "2024-05-04"),
        ("last quarter", "2024-01-01", "2024-04-01"),
        ("in the first quarter of 2023", "2023-01-01", "2023-04-01"),
        ("2023 Q4", "2023-10-01", "2024-01-01"),
        ("from May 1 to May 7, 2024", "2024-05-01", "2024-05-08"),
        ("from March 2024", "2024-03-01", "2024-04-01"),
        ("from March 2024 onwards", "2024-03-01", None),
        ("until last month", None, "2024-05-01"),
        ("over the past year", "2023-05-15", None),
        ("the last 2 quarters", "2023-11-15", None),
        ("two years ago", "2022-01-01", "2023-01-01"),
        ("3 months ago", "2024-02-01", "2024-03-01"),
        ("a week ago", "2024-05-06", "2024-05-13"),
        ("since 10 days ago", "2024-05-05", None),
        ("last weekend", "2024-05-11", "2024-05-13"),
        ("last Monday", "2024-05-13", "2024-05-14"),
        ("last Friday", "2024-05-10", "2024-05-11"),
        ("since the year 2023", "2023-01-01", None),
    ],
)
def test_times_in_words(words: str, first: str | None, end: str | None) -> None:
    def day(text: str | None) -> datetime.date | None:
        return None if text is None else datetime.date.fromisoformat(text)

    assert period(words, TODAY) == Period(first=day(first), end=day(end))


def test_what_comes_again_has_no_first_day() -> None:
    assert period("in May", TODAY) == period("every May", TODAY) == Period(months=(5,))
    assert period("on Mondays", TODAY) == period("on a Monday", TODAY) == Period(weekdays=(1,))
    assert period("at the weekend", TODAY) == Period(weekdays=(6, 7))
    assert period("on weekdays", TODAY) == Period(weekdays=(1, 2, 3, 4, 5))
    assert period("may", TODAY) is None


@pytest.mark.parametrize(
    ("question", "condition", "said"),
    [
        ("How many orders were placed in March?", "order_date LIKE '%-03-%'", "of every year"),
        ("How many orders on Mondays?", "strftime('%w', order_date) = '1'", "in every week"),
        ("How many orders on weekends?", "strftime('%w', order_date) IN ('0', '6')", "every week"),
        ("How many orders were shipped on weekdays?",
         "strftime('%w', shipped_date) NOT IN ('0', '6')", "shipped_date in every week"),
    ],
)  # fmt: skip
def test_months_and_days_of_the_week_are_of_all_years(
    database: Database, question: str, condition: str, said: str
) -> None:
    answer, _ = answered(database, question, ORDERS)
    assert answer.rows == rows(database, f"{ORDERS} WHERE {condition}")
    assert any(said in text for text in answer.warnings)


def test_another_day_of_the_week_takes_the_place_of_the_one_before(database: Database) -> None:
    schema = database.schema()
    first = edited(ORDERS, "only on Mondays", schema, today=TODAY) or ""
    again = edited(first, "what about on Fridays?", schema, today=TODAY)
    assert again == f"{ORDERS} WHERE STRFTIME('%w', orders.order_date) = '5'"


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("number of orders by month in 2024", ORDERS),
        ("How many orders were there each month in 2024?",
         "SELECT order_date, COUNT(*) FROM orders GROUP BY order_date"),
        ("monthly order count for 2024", ORDERS),
        ("Orders by month in 2024", "SELECT order_date FROM orders ORDER BY order_date LIMIT 1"),
        ("How many orders per month since 2024?", "SELECT order_id FROM orders"),
        ("Show monthly orders for 2024", "SELECT order_date FROM orders"),
    ],
)  # fmt: skip
def test_one_row_per_month_also_before_a_year(database: Database, question: str, sql: str) -> None:
    found = answered(database, question, sql)[0].rows
    after = ">=" if "since" in question else "LIKE"
    wanted = (
        f"SELECT substr(order_date, 1, 7), COUNT(*) FROM orders WHERE order_date {after} '2024%' "
        "GROUP BY 1 ORDER BY 1"
    )
    assert found == rows(database, wanted)


def test_one_row_per_month_in_a_quarter(database: Database) -> None:
    answer, _ = answered(database, "Number of orders per month in Q1 2024", ORDERS)
    wanted = (
        "SELECT substr(order_date, 1, 7), COUNT(*) FROM orders "
        "WHERE order_date BETWEEN '2024-01-01' AND '2024-03-31' GROUP BY 1 ORDER BY 1"
    )
    assert answer.rows == rows(database, wanted)
    shipped, _ = answered(database, "How many orders were shipped per month in 2024?", ORDERS)
    assert "shipped_date" in (shipped.sql or "")


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("Which order was the largest each month?", "SELECT order_id FROM orders"),
        ("List the orders by month", "SELECT order_id FROM orders"),
        ("The status of orders each month", "SELECT status FROM orders"),
        ("How many orders per month?",
         "SELECT status FROM orders JOIN customers USING (customer_id)"),
    ],
)  # fmt: skip
def test_who_asks_for_something_else_gets_no_count(
    database: Database, question: str, sql: str
) -> None:
    assert answered(database, question, sql)[0].sql == sql


def test_what_is_monthly_by_name_is_no_unit(database: Database) -> None:
    schema = database.schema()
    assert last_words("monthly revenue", schema) == "by month"
    assert last_words("average monthly revenue", schema) is None
    assert last_words("monthly total of orders", schema) == "by month"
    assert last_words("the highest monthly total", schema) is None
    assert last_words("names and years, ordered by year", schema) != "by month"
    assert last_words("How many Annual Meeting events happened?", schema) is None
