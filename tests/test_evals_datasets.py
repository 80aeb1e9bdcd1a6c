from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from evals_cases import QUESTIONS, make_benchmark
from quorumsql.domain import Question
from quorumsql.errors import UsageError
from quorumsql.evals.datasets import absent, database_file, load_spider


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path)


def test_every_question_is_read_in_order(questions: Path) -> None:
    tasks = load_spider(questions, questions.parent / "database")
    assert [(t.db_id, t.question, t.gold) for t in tasks] == QUESTIONS
    assert [t.index for t in tasks] == list(range(len(QUESTIONS)))


def test_a_limit_keeps_the_first_questions(questions: Path) -> None:
    tasks = load_spider(questions, questions.parent / "database", limit=2)
    assert [t.index for t in tasks] == [0, 1]


def test_gold_has_no_way_into_the_pipeline() -> None:
    assert {f.name for f in dataclasses.fields(Question)} == {"text", "evidence"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[{"db_id": "pets",\n "question": "q", "query" "x"}]', 2, "not valid JSON"),
        ('[\n{"db_id": "pets", "question": "q"}]', 2, "'query' is missing"),
        ('[{"db_id": "pets", "question": "q", "query": "  "}]', 1, "'query' is missing, empty"),
        ('[{"db_id": "pets", "question": 3, "query": "x"}]', 1, "'question' is missing"),
        ('\n{"db_id": "pets"}', 2, "'question' is missing"),
        ('\n"text"', 2, "expected a JSON list"),
        ('["text"]', 1, "expected an object"),
        ('[{"db_id": "pets", "question": "q", "query": "x"}\n\n', 3, "comma or the list's end"),
        ('[{"db_id": "pets", "question": "q", "query": "x"},\n]', 2, "not valid JSON"),
    ],
)
def test_a_broken_file_is_named_with_the_line(
    questions: Path, text: str, line: int, words: str
) -> None:
    questions.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words) as caught:
        load_spider(questions, questions.parent / "database")
    assert str(caught.value).startswith(f"{questions}:{line}: ")


@pytest.mark.parametrize("text", ["", "[]", " [ ] "])
def test_a_file_without_questions_is_an_error(questions: Path, text: str) -> None:
    questions.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError):
        load_spider(questions, questions.parent / "database")


def test_text_that_is_not_utf8_is_an_error(questions: Path) -> None:
    questions.write_bytes(b'[{"db_id": "\xff"}]')
    with pytest.raises(UsageError, match="not UTF-8"):
        load_spider(questions, questions.parent / "database")


def test_questions_without_a_database_are_kept_and_named(questions: Path) -> None:
    names = ("nope", "pets", "../pets", "nope")
    entries = [{"db_id": name, "question": "q", "query": "SELECT 1"} for name in names]
    questions.write_text(json.dumps(entries), encoding="utf-8")
    tasks = load_spider(questions, questions.parent / "database")
    assert [task.db_id for task in tasks] == list(names)
    assert absent(tasks) == {"nope": 2, "../pets": 1}


def test_without_any_database_all_are_named(questions: Path) -> None:
    entries = [{"db_id": name, "question": "q", "query": "SELECT 1"} for name in ("nope", "nada")]
    questions.write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(UsageError, match=r"'nope' \(line 1\), 'nada' \(line 1\)"):
        load_spider(questions, questions.parent / "database")


@pytest.mark.parametrize("name", ["", ".", "..", "../database/pets", "/etc/passwd", "pets/../pets"])
def test_a_database_name_cannot_leave_the_folder(questions: Path, name: str) -> None:
    assert database_file(questions.parent / "database", name) is None


def test_a_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        load_spider(tmp_path / "dev.json", tmp_path / "database")
    with pytest.raises(UsageError, match=r"dev\.json: cannot be read"):
        load_spider(tmp_path / "dev.json", tmp_path)
