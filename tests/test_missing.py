"""Missing values and flags are asked for where the question says so, on real databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Hit, Limits, Question
from quorumsql.pipeline import Pipeline
from quorumsql.ports import Database
from quorumsql.stages.missing import supplied
from quorumsql.stores.values import MemoryValueIndex
from scripted import Scripted

TABLES = """
CREATE TABLE department(department_id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE employee(
    employee_id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT, phone TEXT, email TEXT,
    city TEXT, manager_id INTEGER REFERENCES employee(employee_id),
    department_id INTEGER REFERENCES department(department_id),
    is_active BOOLEAN, IsOnCall INTEGER, has_insurance TEXT, abandoned_yn TEXT, remote INTEGER,
    scholarship INTEGER);
CREATE TABLE invoice(
    invoice_id INTEGER PRIMARY KEY, employee_id INTEGER REFERENCES employee(employee_id),
    amount REAL, paid_date TEXT, delivery_date DATE, approved_by TEXT, status TEXT);
CREATE TABLE ticket(
    ticket_id INTEGER PRIMARY KEY, closed_at DATE, expiry_date DATE, status TEXT, phone TEXT);
INSERT INTO department VALUES (1, 'Sales'), (2, 'Law');
INSERT INTO employee VALUES
    (1, 'Ann', 'Ash', '1', 'a@x', 'Paris', NULL, 1, 1, 1, 'Y', 'N', 5, 1),
    (2, 'Bob', 'Bay', NULL, NULL, 'Paris', 1, 1, 0, 0, 'N', 'Y', 7, 0),
    (3, 'Cid', 'Cox', '', 'c@x', 'Lyon', 1, NULL, 1, 0, 'N', 'N', 5, 0),
    (4, 'Dee', 'Day', '4', NULL, 'Lyon', 2, 2, 1, 0, 'Y', 'N', 7, 0);
INSERT INTO invoice VALUES
    (1, 1, 10, '2024-01-02', NULL, NULL, 'open'), (2, 1, 20, NULL, '2024-01-02', 'Ann', 'open'),
    (3, 2, 40, NULL, '2024-01-03', 'Ann', 'done');
INSERT INTO ticket VALUES
    (1, NULL, NULL, 'not closed', '1'), (2, '2024-01-02', '2025-01-02', 'closed', 'unknown'),
    (3, '2024-01-02', '2025-01-02', 'closed', NULL);
"""
COUNT = "SELECT COUNT(*) FROM employee"
NOBODY = "employee_id NOT IN (SELECT employee_id FROM invoice)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "firm.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    opened = open_database(str(path))
    yield opened
    opened.close()


def changed(database: Database, sql: str, question: str, hits: tuple[Hit, ...] = ()) -> str | None:
    """What the rules make of a statement."""
    return supplied(
        sql,
        question=question,
        schema=database.schema(),
        run=lambda one: database.execute(one, limits=Limits()),
        hits=hits,
    )


@pytest.mark.parametrize(
    ("question", "where"),
    [
        ("How many employees have no email?", "email IS NULL"),
        ("How many employees don't have an email address?", "email IS NULL"),
        ("Number of employees without a phone number", "(phone IS NULL OR phone = '')"),
        ("employees whose email is null", "email IS NULL"),
        ("employees lacking an email", "email IS NULL"),
        ("employees with missing email", "email IS NULL"),
        ("How many employees have no manager?", "manager_id IS NULL"),
        ("How many employees have no department?", "department_id IS NULL"),
        ("How many active employees?", "is_active = 1"),
        ("How many employees are not active?", "is_active = 0"),
        ("How many inactive employees are there?", "is_active = 0"),
        ("How many employees aren't on call?", "IsOnCall = 0"),
        ("employees on call in Paris", "IsOnCall = 1"),
        ("employees without a scholarship", "scholarship = 0"),
        ("employees who have a scholarship", "scholarship = 1"),
        ("How many employees have insurance?", "has_insurance = 'Y'"),
        ("How many employees do not have any insurance?", "has_insurance = 'N'"),
        ("How many employees were abandoned?", "abandoned_yn = 'Y'"),
        ("active employees without an email", "is_active = 1 AND email IS NULL"),
    ],
)
def test_words_become_conditions(database: Database, question: str, where: str) -> None:
    assert changed(database, COUNT, question) == f"{COUNT} WHERE {where}"


@pytest.mark.parametrize(
    ("question", "where"),
    [
        ("employees without an email or a manager", "email IS NULL AND manager_id IS NULL"),
        ("employees with no email and no manager", "email IS NULL AND manager_id IS NULL"),
        ("employees with neither email nor manager", "email IS NULL AND manager_id IS NULL"),
        ("employees who don't have a manager or an email",
         "manager_id IS NULL AND email IS NULL"),
        ("employees with no email but a manager", "email IS NULL AND NOT manager_id IS NULL"),
        ("employees with a manager but no email", "email IS NULL AND NOT manager_id IS NULL"),
        ("employees who have an email and no phone number",
         "(phone IS NULL OR phone = '') AND NOT email IS NULL"),
        ("employees who have a phone but no email",
         "email IS NULL AND NOT phone IS NULL AND phone <> ''"),
        ("employees who have no email but a nice desk", "email IS NULL"),
    ],
)  # fmt: skip
def test_two_columns_are_read_at_once(database: Database, question: str, where: str) -> None:
    assert changed(database, COUNT, question) == f"{COUNT} WHERE {where}"
    assert changed(database, f"{COUNT} WHERE {NOBODY}", question) == f"{COUNT} WHERE {where}"


@pytest.mark.parametrize(
    ("question", "value", "where"),
    [
        ("How many done invoices are there?", "done", "status = 'done'"),
        ("closd tickets", "closed", "status = 'closed'"),
        ("clozd tickets", "closed", None),
        ("How many tickets are there per closed tickets?", "closed", None),
        ("share of closed tickets", "closed", None),
        ("tickets other than closed tickets", "closed", None),
        ("closed by Ann", "closed", None),
    ],
)
def test_a_value_before_its_rows_is_asked_for(
    database: Database, question: str, value: str, where: str | None
) -> None:
    table = "invoice" if "invoice" in question else "ticket"
    word = next(w for w in question.split() if w[:2] == value[:2])
    start = question.index(word)
    hit = Hit(
        table=table, column="status", value=value, start=start, end=start + len(word),
        score=0.9, match="exact" if word == value else "fuzzy",
    )  # fmt: skip
    sql = f"SELECT COUNT(*) FROM {table}"
    wanted = None if where is None else f"{sql} WHERE {where}"
    assert changed(database, sql, question, (hit,)) == wanted
    assert changed(database, f"{sql} WHERE status = '{value}'", question, (hit,)) is None
    assert changed(database, "SELECT 1", question, (hit,)) is None


@pytest.mark.parametrize(
    ("question", "where"),
    [
        ("How many invoices have not been paid yet?", "paid_date IS NULL"),
        ("total of unpaid invoices", "paid_date IS NULL"),
        ("Which invoices are not delivered?", "delivery_date IS NULL"),
        ("unapproved invoices", "approved_by IS NULL"),
    ],
)
def test_what_was_not_done_has_no_date(database: Database, question: str, where: str) -> None:
    sql = "SELECT SUM(amount) FROM invoice"
    assert changed(database, sql, question) == f"{sql} WHERE {where}"


@pytest.mark.parametrize(
    ("sql", "better"),
    [
        (f"{COUNT} WHERE {NOBODY}", f"{COUNT} WHERE email IS NULL"),
        (f"{COUNT} WHERE email = 0 AND city = 'Paris'", f"{COUNT} WHERE city = 'Paris' AND email "
         "IS NULL"),
        (f"{COUNT} WHERE city != 'Paris'", f"{COUNT} WHERE city = 'Paris' AND email IS NULL"),
        (f"{COUNT} WHERE city != 'no email'", f"{COUNT} WHERE email IS NULL"),
        ("SELECT COUNT(DISTINCT email) FROM employee", f"{COUNT} WHERE email IS NULL"),
        ("SELECT DISTINCT email FROM employee", "SELECT first_name, last_name FROM employee "
         "WHERE email IS NULL"),
        ("SELECT last_name FROM employee EXCEPT SELECT last_name FROM employee WHERE city = "
         "'Paris'", "SELECT last_name FROM employee WHERE city = 'Paris' AND email IS NULL"),
        ("SELECT T1.email FROM employee AS T1 JOIN invoice AS T2 ON T1.employee_id = "
         "T2.employee_id WHERE T1.city = 'Paris'", "SELECT T1.first_name, T1.last_name FROM "
         "employee AS T1 WHERE T1.city = 'Paris' AND T1.email IS NULL"),
    ],
)  # fmt: skip
def test_nonsense_goes_and_the_rest_stays(database: Database, sql: str, better: str) -> None:
    assert changed(database, sql, "employees in Paris who have no email") == better


@pytest.mark.parametrize(
    ("sql", "question"),
    [
        (f"{COUNT} WHERE {NOBODY}", "employees without invoices"),  # a table: NOT IN is right
        (COUNT, "employees with no email or phone or manager"),
        (COUNT, "employees whose email or phone is missing"),
        (COUNT, "employees with no email or invoice"),
        (COUNT, "employees without email who have no invoices"),
        (COUNT, "employees with no city"),  # all have one
        (COUNT, "employees with no email contact person"),
        (f"{COUNT} WHERE email IS NULL", "employees with no email"),
        (f"{COUNT} WHERE is_active = 1", "How many active employees?"),
        (f"{COUNT} WHERE NOT is_active", "employees who are not active"),
        ("SELECT is_active, COUNT(*) FROM employee GROUP BY is_active", "active employees"),
        (COUNT, "employees who are active or on call"),
        (COUNT, "How many employees are remote?"),  # 5 and 7 are neither yes nor no
        (COUNT, "countries with no active employees"),
        ("SELECT COUNT(*) FROM invoice", "invoices not paid by card"),
        ("SELECT COUNT(*) FROM ticket", "tickets not closed"),  # a status says so
        ("SELECT COUNT(*) FROM ticket", "tickets that are not expired"),
        ("SELECT COUNT(*) FROM ticket", "tickets with unknown phone"),  # that is stored
        ("SELECT COUNT(*) FROM ticket, (SELECT 1)", "tickets with no status"),
        ("SELECT 1 UNION SELECT 2", "employees with no email"),
        ("SELECT (", "employees with no email"),
    ],
)
def test_nothing_else_is_changed(database: Database, sql: str, question: str) -> None:
    assert changed(database, sql, question) is None


def test_the_denied_word_is_no_value(database: Database) -> None:
    total = "SELECT SUM(amount) FROM invoice"
    sql = (
        f"{total} WHERE invoice_id NOT IN (SELECT invoice.invoice_id FROM invoice JOIN employee "
        "ON invoice.employee_id = employee.employee_id WHERE invoice.status = 'paid')"
    )
    better = f"{total} WHERE paid_date IS NULL"
    assert changed(database, sql, "total of invoices that haven't been paid") == better


def test_a_subquery_about_others_is_not_lost(database: Database) -> None:
    sql = (
        f"{COUNT} WHERE employee_id NOT IN (SELECT employee_id FROM invoice WHERE status = 'open')"
    )
    assert changed(database, sql, "employees with open invoices and no email") is None


def test_who_wrote_the_same_is_finished_alike(database: Database) -> None:
    index = MemoryValueIndex.build(database, database.schema())
    members = (Scripted("a", COUNT), Scripted("b", "SELECT COUNT(employee_id) FROM employee"))
    asking = Pipeline(database=database, generators=members, index=index)
    answer = asking.answer(Question(text="How many employees have no email in Paris?"))
    assert answer.rows == ((2,),)
    assert [len(one.attempts) for one in answer.candidates] == [2, 2]
    assert [group.members for group in answer.choice.groups] == [(0, 1)]


def test_no_row_is_an_answer_and_so_is_the_same_number(database: Database) -> None:
    index = MemoryValueIndex.build(database, database.schema())
    sql = "SELECT last_name FROM employee WHERE city = 'Paris' AND is_active = 1"
    asking = Pipeline(database=database, generators=(Scripted("a", sql),), index=index)
    answer = asking.answer(Question(text="Which active employees in Paris have no email?"))
    assert answer.rows == () and answer.sql == f"{sql} AND email IS NULL"
    sql = "SELECT COUNT(DISTINCT email) FROM employee"
    asking = Pipeline(database=database, generators=(Scripted("a", sql),), index=index)
    answer = asking.answer(Question(text="How many employees have no email?"))
    assert answer.rows == ((2,),) and answer.sql == f"{COUNT} WHERE email IS NULL"
