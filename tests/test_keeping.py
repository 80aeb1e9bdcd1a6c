"""A year beside a key is no time, and a time that no SQL keeps to is said, on a real clinic."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Answer, Brief, Candidate, Limits, Question
from quorumsql.pipeline import Pipeline
from quorumsql.ports import Database
from quorumsql.stages.keeping import misread, remarks
from quorumsql.stores.values import MemoryValueIndex
from scripted import written

COUNT = "SELECT COUNT(*) FROM visit"
TABLES = """
CREATE TABLE doctor(doctor_id INTEGER PRIMARY KEY, name TEXT, born DATE, hired DATE, model TEXT,
    opened INTEGER, salary REAL);
CREATE TABLE visit(
    visit_id INTEGER PRIMARY KEY, doctor_id INTEGER REFERENCES doctor(doctor_id),
    visit_date DATE, paid_date DATE, kind TEXT, weekday TEXT, minutes INTEGER);
INSERT INTO doctor VALUES (1, 'Ann', '1970-01-01', '2020-01-01', 'T 2024', 1999, 9000),
    (2, 'Bob', '1980-01-01', '2024-01-01', 'X', 2010, 8000);
INSERT INTO visit VALUES (1, 1, '2023-05-01', '2024-01-01', 'new', 'Monday', 15),
    (2, 1, '2024-05-01', NULL, 'new', 'Friday', 30),
    (3, 2, '2024-06-01', NULL, 'old', 'Monday', 45);
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "clinic.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    with closing(open_database(str(path))) as opened:
        yield opened


class Reading:
    """Writes one statement for a question with a year, and another for one without."""

    name = "a"

    def __init__(self, with_year: str, without: str) -> None:
        self._with, self._without = with_year, without

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        return (written(self._with if "20" in brief.question.text else self._without),)


def answered(database: Database, question: str, with_year: str, without: str = COUNT) -> Answer:
    member = Reading(with_year, without)
    index = MemoryValueIndex.build(database, database.schema())
    asking = Pipeline(database=database, generators=(member,), index=index)
    return asking.answer(Question(text=question))


@pytest.mark.parametrize(
    ("said", "condition", "wrong"),
    [
        ("in 2024", "doctor_id = 2024", True),
        ("in 2024", "kind = '2024'", True),
        ("in 2024", "minutes > 2024", True),
        ("in 2024", "1 = 1", True),
        ("in 2024", "visit_date LIKE '2024%'", False),
        ("in 2024", "STRFTIME('%Y', visit_date) = '2024'", False),
        ("since 2024", "visit_date > '2024-12-31'", True),
        ("after 2024", "visit_date > '2024-12-31'", False),
        ("since 2024", "visit_date >= '2024-01-01'", False),
        ("between 2023 and 2024", "visit_date BETWEEN '2023-01-01' AND '2024-12-31'", False),
        ("between 2023 and 2024", "visit_date LIKE '2023%'", True),
        ("in 2024", "doctor_id IN (SELECT doctor_id FROM doctor WHERE opened = 2024)", False),
        ("in 2024", "doctor_id IN (SELECT doctor_id FROM doctor WHERE model LIKE '%2024')", False),
        ("in 2024", "doctor_id IN (SELECT doctor_id FROM doctor WHERE salary > 2024)", True),
        ("in 2024", "visit_id IN (SELECT visit_id FROM visit LIMIT 2024)", True),
        ("in 2024", "visit_id IN (SELECT visit_id FROM visit GROUP BY 1 HAVING COUNT(*) > 2024)",
         True),
    ],
)  # fmt: skip
def test_a_year_is_misread_where_no_year_can_be(
    database: Database, said: str, condition: str, wrong: bool
) -> None:
    sql = f"{COUNT} WHERE {condition}"
    run = lambda one: database.execute(one, limits=Limits())  # noqa: E731
    assert misread(said, "How many visits?", sql, database.schema(), run) is wrong
    assert not misread(said, "How many visits?", "SELECT (", database.schema(), run)


def test_a_misread_year_is_set_apart_and_added(database: Database) -> None:
    lines = "SELECT doctor_id, COUNT(*) FROM visit GROUP BY doctor_id"
    wrong = "SELECT COUNT(*) FROM doctor WHERE doctor_id = 2024"
    answer = answered(database, "visits per doctor in 2024", wrong, lines)
    assert sorted(answer.rows) == [("Ann", 1), ("Bob", 1)]
    assert any("visit_date, not paid_date" in text for text in answer.warnings)


def test_the_date_of_another_table_is_not_the_one_that_is_meant(database: Database) -> None:
    joined = "SELECT COUNT(*) FROM visit JOIN doctor USING (doctor_id)"
    wrong = f"{joined} WHERE doctor.hired LIKE '2024%'"
    assert answered(database, "How many visits in 2024?", wrong, joined).rows == ((2,),)
    kept = answered(database, "How many visits of doctors hired in 2024?", wrong, joined)
    assert kept.sql == wrong and kept.rows == ((1,),)


def test_a_year_that_cannot_be_added_is_said(database: Database) -> None:
    wrong = "SELECT name FROM doctor WHERE doctor_id = 2024"
    other = "SELECT name FROM doctor UNION SELECT kind FROM visit"
    answer = answered(database, "names in 2024", wrong, other)
    assert answer.sql == wrong
    assert any("'in 2024' could not be added" in text for text in answer.warnings)


@pytest.mark.parametrize(
    ("question", "condition", "said"),
    [
        ("visits in summer", "1 = 1", "in summer"),
        ("visits in summer 2024", "visit_date LIKE '2024%'", "in summer 2024"),
        ("visits in the afternoon", "1 = 1", "in the afternoon"),
        ("visits before 5 pm", "minutes < 5", "before 5 pm"),
        ("visits since Easter", "kind = 'easter'", ""),
        ("visits on Monday", "visit_date = 'Monday'", "on Monday"),
        ("visits on Monday", "weekday = 'Monday'", ""),
        ("visits on Monday", "STRFTIME('%w', visit_date) = '1'", ""),
        ("visits in May", "visit_date LIKE '%-05-%'", ""),
        ("visits next month", "minutes > 1", "next month"),
        ("visits next month", "visit_date >= '2024-06-01'", ""),
        ("the last visits", "1 = 1", ""),
        ("the last weekday of visits", "weekday IS NULL", ""),
        ("visits in August", "paid_date LIKE '8/%'", ""),
        ("visits in August", "kind LIKE '%Aug%'", ""),
        ("visits in 2024", "visit_date LIKE '2024%'", ""),
        ("visits two years ago", "visit_date >= '2024-01-01'", ""),
    ],
)
def test_a_time_that_nothing_keeps_to_is_said(
    database: Database, question: str, condition: str, said: str
) -> None:
    found = list(remarks(question, f"{COUNT} WHERE {condition}", database.schema()))
    assert found == ([f"{said!r} was not understood: the SQL does not keep to that time."]
                     if said else [])  # fmt: skip


def test_a_time_is_said_once(database: Database) -> None:
    told = ("'in summer' could not be added",)
    assert not list(remarks("visits in summer", COUNT, database.schema(), told))
    assert not list(remarks("visits in summer", "SELECT (", database.schema()))
    answer = answered(database, "visits in summer", COUNT)
    assert any("'in summer' was not understood" in text for text in answer.warnings)


def test_of_several_dates_the_one_taken_for_lines_is_said(database: Database) -> None:
    by_month = "SELECT STRFTIME('%Y-%m', {0}), COUNT(*) FROM visit GROUP BY STRFTIME('%Y-%m', {0})"

    def told(question: str, day: str) -> list[str]:
        return list(remarks(question, by_month.format(day), database.schema()))

    assert told("minutes per month", "visit_date") == [
        "The month is that of visit_date, not of paid_date."
    ]
    assert told("minutes paid per month", "paid_date") == []
    assert told("minutes per kind", "visit_date") == []
    answer = answered(database, "total minutes per month", "", "SELECT SUM(minutes) FROM visit")
    assert answer.rows == (("2023-05", 15), ("2024-05", 30), ("2024-06", 45))
    assert "The month is that of visit_date, not of paid_date." in answer.warnings


def test_lines_are_of_the_dates_of_what_is_added_up(database: Database) -> None:
    joined = "SELECT SUM({}) FROM doctor JOIN visit ON visit.doctor_id = doctor.doctor_id"
    question = "total per year"
    answer = answered(database, question, "", joined.format("doctor.salary"))
    assert answer.rows == (("2020", 18000.0), ("2024", 8000.0))
    answer = answered(database, question, "", joined.format("visit.minutes"))
    assert answer.rows == (("2023", 15), ("2024", 75))
