"""Our own training questions: which are taken for which data, and what the file holds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import sqlglot

from quorumsql.neural.members import WEIGHTS
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.train.data import load_examples
from quorumsql.train.embedded import Plan
from quorumsql.train.questions import QUESTIONS, key_of, own_questions
from test_train import run
from tiny_spider import write_spider

COUNT, OLDEST = "SELECT count(*) FROM pet", "SELECT name FROM owner ORDER BY age DESC LIMIT 1"
LINES = (
    ("one", "number of animals", key_of("one", COUNT)),
    ("one", "Which proprietor has lived longest?", key_of("one", OLDEST)),
    ("one", "Something whose SQL the data lack", key_of("one", "SELECT 1")),
    ("one", "Which cats are there?", "SELECT id FROM pet WHERE kind = 'Cat'"),
    ("one", "What no grammar of ours writes", "SELECT CASE WHEN 1 THEN 2 END FROM pet"),
    ("elsewhere", "How many?", "SELECT count(*) FROM pet"),
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.tsv"
    path.write_text("".join("\t".join(line) + "\n" for line in LINES), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_spider(tmp_path / "tiny", ("one", "two"))


def test_a_query_has_one_key_however_it_is_spaced_and_ended() -> None:
    assert key_of("one", "SELECT  count(*)\nFROM pet ;") == key_of("one", COUNT.lower())
    assert key_of("one", COUNT) != key_of("two", COUNT)


def test_rewordings_go_with_their_query_and_new_questions_with_their_database(own: Path) -> None:
    rows = [{"db_id": "one", "question": "How many pets?", "query": COUNT + " ;"}]
    found = [(row["question"], row["query"]) for row in own_questions(rows, path=own)]
    assert found == [
        ("number of animals", COUNT + " ;"),
        ("Which cats are there?", "SELECT id FROM pet WHERE kind = 'Cat'"),
        ("What no grammar of ours writes", "SELECT CASE WHEN 1 THEN 2 END FROM pet"),
    ]


def test_examples_of_ours_come_beside_those_of_the_data(
    own: Path, data: Path, tokenizer: Path
) -> None:
    reads = Tokeniser(tokenizer)
    theirs = load_examples(data, ("train.json",), reads)
    both = load_examples(data, ("train.json",), reads, own=own)
    assert not any(example.own for example in theirs)
    assert [e.question for e in both if not e.own] == [e.question for e in theirs]
    assert [e.question for e in both if e.own] == [LINES[0][1], LINES[1][1], LINES[3][1]]
    oldest = next(e for e in both if e.question == LINES[1][1])
    assert oldest.trees == next(e for e in theirs if "oldest" in e.question).trees


def test_examples_know_the_names_that_their_question_says_otherwise(
    own: Path, data: Path, tokenizer: Path
) -> None:
    examples = load_examples(data, ("train.json",), Tokeniser(tokenizer), own=own)
    (oldest,) = [e for e in examples if e.question == LINES[1][1]]
    assert oldest.said == {("owner", None): "proprietor", ("pet", "owner_id"): "proprietor id"}
    assert not any(example.said for example in examples if not example.own)


def test_training_reads_what_ships_only_for_databases_that_the_data_have(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    assert Plan().own
    _, events = run(data, tmp_path / "out", tokenizer)
    assert events[0]["own"] == 0


def test_the_file_that_ships_is_whole() -> None:
    held_out = set(json.loads((WEIGHTS / "manifest.json").read_bytes())["held_out"])
    seen: Counter[tuple[str, str]] = Counter()
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines():
        database, question, sql = line.split("\t")
        seen[database, question.casefold()] += 1
        assert question == " ".join(question.split()) and question
        if sql.startswith("="):
            int(sql.removeprefix("="), 16)
        else:
            assert database not in held_out, "new questions are for learning only"
            assert isinstance(sqlglot.parse_one(sql, dialect="sqlite"), sqlglot.exp.Query)
    assert len(seen) > 10_000
    assert max(seen.values()) == 1
