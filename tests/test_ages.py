"""Ages over days of birth: which end is the oldest, what is averaged, and what stays."""

from __future__ import annotations

import pytest

from quorumsql.domain import Column, Schema, Table
from quorumsql.stages.ages import aged


def schema(*columns: str, dialect: str = "sqlite") -> Schema:
    own = [Column(name="id", type="INTEGER", kind="number", primary_key=True)]
    own += [Column(name=n, type="DATE", kind="date") for n in columns]
    return Schema(name="clinic", dialect=dialect, tables=(Table(name="patient", columns=(*own,)),))


FIRST = "SELECT id FROM patient ORDER BY born_on LIMIT 1"
LAST = "SELECT id FROM patient ORDER BY born_on DESC LIMIT 1"


@pytest.mark.parametrize(
    ("sql", "question", "wanted"),
    [
        (LAST, "Who is the oldest patient?", "ORDER BY born_on"),
        (FIRST, "Who is the youngest patient?", "ORDER BY born_on DESC"),
        (FIRST, "Who is the oldest patient?", None),
        (LAST, "Who is the youngest patient?", None),
        (LAST, "The oldest and the youngest patient", None),
        (LAST, "The last patient", None),
        (
            "SELECT id FROM patient ORDER BY born_on DESC",
            "All patients, the oldest at the end",
            None,
        ),
        ("SELECT id FROM patient ORDER BY admitted DESC LIMIT 1", "The oldest patient", None),
        ("SELECT MAX(born_on) FROM patient", "When was the oldest patient born?", "MIN(born_on)"),
        ("SELECT MIN(born_on) FROM patient", "The youngest patient's birthday", "MAX(born_on)"),
        ("SELECT AVG(id) FROM patient", "What is the average age?", "'%Y.%m%d', born_on"),
        ("SELECT AVG(id) FROM patient", "What is the average page?", None),
        ("SELECT AVG(id), AVG(born_on) FROM patient", "The average age", None),
        ("SELECT (", "The average age", None),
    ],
)
def test_ages_are_meant_as_they_are_said(sql: str, question: str, wanted: str | None) -> None:
    found = aged(sql, question, schema("born_on", "admitted"))
    assert found is None if wanted is None else (found is not None and wanted in found)
    if wanted == "ORDER BY born_on":
        assert found is not None and "DESC" not in found


def test_a_column_of_ages_is_left_alone() -> None:
    own = schema("born_on", "age_at_visit")
    assert aged(LAST, "Who is the oldest patient?", own) is None
    assert aged("SELECT AVG(id) FROM patient", "The average age", own) is None


def test_two_days_of_birth_are_not_clear() -> None:
    own = schema("born_on", "mother_born")
    assert aged("SELECT AVG(id) FROM patient", "The average age", own) is None
