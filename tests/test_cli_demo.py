"""`quorum demo`: honest about what is right, what is wrong and what it would not say."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from command import complaint, parsed, quorum
from quorumsql.cli.demo_questions import QUESTIONS
from quorumsql.sample import build_sample

RIGHT = {"a": [QUESTIONS[0].reference], "b": [QUESTIONS[0].reference]}
WRONG = {"a": ["SELECT count(*) FROM products"]}


def test_questions_are_of_different_kinds_and_have_an_answer(tmp_path: Path) -> None:
    assert len(QUESTIONS) >= 8
    assert len({question.kind for question in QUESTIONS}) == len(QUESTIONS)
    build_sample(tmp_path / "company.sqlite")
    with closing(sqlite3.connect(tmp_path / "company.sqlite")) as connection:
        for question in QUESTIONS:
            rows = connection.execute(question.reference).fetchall()
            assert rows and rows != [(0,)], question.text


@pytest.mark.parametrize(
    ("group", "order"),
    [
        ("SELECT count(*) FROM products GROUP BY category_id", "1"),
        ("SELECT price FROM products", "1"),
        (
            """SELECT sum(quantity * unit_price) FROM orders JOIN order_items USING (order_id)
            WHERE order_date LIKE '2023%' GROUP BY customer_id""",
            "1",
        ),
    ],
)
def test_superlatives_have_one_winner(tmp_path: Path, group: str, order: str) -> None:
    build_sample(tmp_path / "company.sqlite")
    with closing(sqlite3.connect(tmp_path / "company.sqlite")) as connection:
        best = connection.execute(f"{group} ORDER BY {order} DESC LIMIT 6").fetchall()
    assert best[0] != best[1]
    assert best[4] != best[5]


def test_right_answers_are_marked_right() -> None:
    finished = quorum("demo", "--questions", "1", script=RIGHT)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "✓ this is the right answer" in finished.stdout
    assert "1 of 1 right, 0 wrong, 0 not answered" in finished.stdout
    assert (Path(os.environ["QUORUM_HOME"]) / "demo" / "company.sqlite").is_file()


def test_wrong_answers_are_marked_wrong() -> None:
    finished = quorum("demo", script=WRONG)
    assert finished.returncode == 0
    assert finished.stdout.count("⚠ this answer is wrong") == len(QUESTIONS)
    assert QUESTIONS[0].reference in finished.stdout
    assert f"0 of {len(QUESTIONS)} right" in finished.stdout


def test_json() -> None:
    found = parsed(quorum("demo", "--json", "--questions", "2", script=RIGHT))
    assert (found["right"], found["wrong"], found["abstained"], found["total"]) == (1, 1, 0, 2)
    assert [q["correct"] for q in found["questions"]] == [True, False]
    assert found["questions"][0]["answer"]["row_count"] == 4


def test_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    env = {"QUORUM_HOME": str(tmp_path / "file")}
    finished = quorum("demo", "--questions", "1", script=RIGHT, env=env, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "1 of 1 right" in finished.stdout
    assert "Your turn" not in finished.stdout


def test_no_questions() -> None:
    assert "--questions" in complaint(quorum("demo", "--questions", "0"), 2)


def test_embedded_members_answer_most_questions() -> None:
    found = parsed(quorum("demo", "--json"))
    assert found["total"] >= 8
    assert found["right"] >= found["total"] / 2
