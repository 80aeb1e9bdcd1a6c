"""Every benchmark's files are read, run and scored by its own metric."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import servers
from evals_cases import Scripted, make_benchmark
from quorumsql.domain import Rows
from quorumsql.errors import UsageError
from quorumsql.evals.datasets import (
    at_url,
    in_folder,
    load_bird,
    load_lines,
    load_spider,
    load_sql_eval,
)
from quorumsql.evals.descriptions import commented, descriptions_beside
from quorumsql.evals.diagnose import ERRORS, differs_in, error_of
from quorumsql.evals.filters import NAMES
from quorumsql.evals.run import evaluate
from quorumsql.evals.sql_eval import load_databases
from quorumsql.evals.worker import GoldAsPrediction
from quorumsql.sample import build_sample
from servers import Server

DOCS = Path(__file__).parent.parent / "docs"
PETS = "database/pets/pets.sqlite"


def lines(run: Path) -> list[dict[str, Any]]:
    text = (run / "predictions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def write(path: Path, entries: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("\n".join(map(json.dumps, entries)) + "\n", encoding="utf-8")
    return path


def verdicts(folder: Path, answers: Mapping[str, str], **more: Any) -> dict[str, bool]:
    """Evaluate scripted answers; return what was right."""
    script = Scripted({q: [("embedded/a", sql, 1.0)] for q, sql in answers.items()})
    evaluate(more.pop("tasks"), script, out=folder / "run", config={}, **more)
    return {line["question"]: line["correct"] for line in lines(folder / "run")}


def test_spider_variants(tmp_path: Path) -> None:
    questions = make_benchmark(tmp_path)
    entry = {"db_id": "pets", "query": "SELECT 1", "SpiderQuestion": "a?", "question": "b?"}
    questions.write_text(json.dumps([{**entry, "SpiderSynQuestion": "c?"}, entry]))
    tasks = load_spider(questions, tmp_path / "database")
    assert [task.question for task in tasks] == ["c?", "b?"]


def test_an_answer_must_be_right_on_the_whole_test_suite(tmp_path: Path) -> None:
    questions = make_benchmark(tmp_path)
    other = tmp_path / "database/pets/pets_7.sqlite"
    other.write_bytes((tmp_path / PETS).read_bytes())
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("INSERT INTO pet VALUES (5, NULL, 1.0)")
        connection.commit()
    tasks = load_spider(questions, tmp_path / "database", limit=1)
    assert tasks[0].suite == (str(other),)
    assert verdicts(tmp_path, {"How many pets?": "SELECT count(name) FROM pet"}, tasks=tasks) == {
        "How many pets?": False
    }, "equal on the main database only"


def test_bird(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    golds = {
        "any order?": "SELECT name, id FROM pet ORDER BY id DESC",
        "twice?": "SELECT name FROM pet",
        "columns?": "SELECT name, id FROM pet",
    }
    entries = [
        {"db_id": "pets", "question": q, "evidence": "", "SQL": sql, "difficulty": "simple"}
        for q, sql in golds.items()
    ]
    path = write(tmp_path / "dev.json", entries)
    tasks = load_bird(path, in_folder(tmp_path / "database"))
    assert {task.hardness for task in tasks} == {"simple"}
    answers = {
        "any order?": "SELECT name, id FROM pet ORDER BY id",
        "twice?": "SELECT DISTINCT name FROM pet",
        "columns?": "SELECT id, name FROM pet",
    }
    found = verdicts(tmp_path, answers, tasks=tasks, metric="bird")
    assert found == {"any order?": True, "twice?": True, "columns?": False}


def test_bird_evidence_and_descriptions(quorum_data: Path) -> None:
    folder = quorum_data / "bird_superhero"
    databases = in_folder(folder / "dev_databases")
    with_evidence = load_bird(folder / "dev.json", databases)
    without = load_bird(folder / "dev.json", databases, evidence=False)
    assert len(with_evidence) == len(without) == 65
    assert sum(bool(task.evidence) for task in with_evidence) > 60
    assert not any(task.evidence for task in without)
    comments = descriptions_beside(with_evidence[0].database)
    assert comments["colour", "colour"] == "the color of the superhero's skin/eye/hair/etc"
    assert comments["superhero", "full_name"].startswith("full name; ")
    assert len({table for table, _ in comments}) == 10


def test_descriptions_reach_the_schema(tmp_path: Path) -> None:
    from quorumsql.db import open_database

    make_benchmark(tmp_path)
    folder = tmp_path / "database/pets/database_description"
    folder.mkdir()
    text = "\ufefforiginal_column_name, column_name ,column_description,value_description\n"
    text += 'WEIGHT,weight,"in kilos, caf\xe9",\nname,,,\n'
    (folder / "Pet.csv").write_bytes(text.encode("utf-8").replace(b"\xc3\xa9", b"\xe9"))
    with closing(open_database(str(tmp_path / PETS))) as database:
        schema = commented(database.schema(), descriptions_beside(str(tmp_path / PETS)))
        table = schema.table("pet")
        assert table is not None
        assert [column.comment for column in table.columns][:2] == ["", ""]
        assert "in kilos" in table.columns[2].comment


def sql_eval_file(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["question", "query", "db_name", "query_category"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_sql_eval_takes_several_references_and_subsets(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    path = sql_eval_file(
        tmp_path / "questions.csv",
        [
            {"question": q, "query": sql, "db_name": "pets", "query_category": "group_by"}
            for q, sql in {
                "which?": "SELECT {id, name} FROM pet",
                "other reference?": "SELECT 1;\nSELECT count(*) FROM pet",
                "neither?": "SELECT {id, name} FROM pet",
            }.items()
        ],
    )
    tasks = load_sql_eval(path, in_folder(tmp_path / "database"))
    answers = {
        "which?": "SELECT weight, name FROM pet",
        "other reference?": "SELECT 4",
        "neither?": "SELECT weight FROM pet",
    }
    found = verdicts(tmp_path, answers, tasks=tasks, metric="sql-eval")
    assert found == {"which?": True, "other reference?": True, "neither?": False}
    wrong = lines(tmp_path / "run")[2]
    assert wrong["gold"] == "SELECT {id, name} FROM pet" and wrong["features"] is not None


def test_sql_eval_on_postgresql_with_databases_that_we_load(
    quorum_data: Path, postgresql_server: Server, tmp_path: Path
) -> None:
    folder = quorum_data / "sql_eval"
    questions = folder / "questions/questions_gen_postgres.csv"
    url = postgresql_server.url("{db_id}")
    made = load_databases(questions, folder / "databases", url)
    assert len(made) == 11 and load_databases(questions, folder / "databases", url) == ()
    tasks = load_sql_eval(questions, at_url(url))
    summary = evaluate(
        tasks, GoldAsPrediction(), out=tmp_path / "run", config={}, metric="sql-eval"
    )
    assert (summary["n"], summary["unscored"]) == (210, 0)
    assert summary["execution_accuracy"] == 1.0
    with pytest.raises(UsageError, match=r"write \{db_id\} for it"):
        load_databases(questions, folder / "databases", "postgresql://localhost/one")


def test_a_users_own_questions(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    path = write(
        tmp_path / "questions.jsonl",
        [
            {"question": "sql?", "sql": "SELECT count(*) FROM pet"},
            {"question": "rows?", "rows": [["Bo"], ["Ada"], ["Cy"]]},
            {"question": "objects?", "rows": [{"a": 4.5, "b": "Ada"}]},
            {"question": "scalar?", "rows": [4]},
            {"question": "order?", "rows": [["Ada"], ["Bo"]], "ordered": True, "hardness": "odd"},
            {"question": "none?", "rows": []},
        ],
    )
    tasks = load_lines(path, str(tmp_path / PETS))
    assert {task.db_id for task in tasks} == {"pets"}
    answers = {
        "sql?": "SELECT 4",
        "rows?": "SELECT DISTINCT name FROM pet",
        "objects?": "SELECT name, weight FROM pet WHERE id = 1",
        "scalar?": "SELECT count(*) FROM pet",
        "order?": "SELECT name FROM pet WHERE id < 3 ORDER BY id DESC",
        "none?": "SELECT name FROM pet WHERE id > 99",
    }
    found = verdicts(tmp_path, answers, tasks=tasks)
    assert found == {**dict.fromkeys(answers, True), "order?": False}
    (wrong,) = (line for line in lines(tmp_path / "run") if not line["correct"])
    assert wrong["error"] == "wrong order" and wrong["hardness"] == "odd"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"question": "q"}, "'sql' is missing"),
        ({"question": "", "sql": "SELECT 1"}, "'question' is missing, empty"),
        ({"question": "q", "rows": "x"}, "'rows' is not a list"),
        ({"question": "q", "rows": [[1], [1, 2]]}, "rows of different lengths"),
        ({"question": "q", "rows": [[1]], "columns": ["a", "b"]}, "2 columns are named"),
        ({"question": "q", "rows": [[1]], "columns": "a"}, "'columns' is not a list"),
        ({"question": "q", "sql": "SELECT 1", "evidence": 3}, "'evidence' is not text"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: Mapping[str, object], words: str) -> None:
    make_benchmark(tmp_path)
    path = write(tmp_path / "q.jsonl", [{"question": "fine", "sql": "SELECT 1"}, line])
    with pytest.raises(UsageError, match=words) as caught:
        load_lines(path, str(tmp_path / PETS))
    assert str(caught.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("question,query\na,b\n", "lacks db_name"),
        ("question,query,db_name\na,b\n", ":2: has not as many cells"),
        ('question,query,db_name\na,"b\nc,pets\n', "has not as many cells"),
    ],
)
def test_a_broken_csv_is_named(tmp_path: Path, text: str, words: str) -> None:
    make_benchmark(tmp_path)
    path = tmp_path / "questions.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        load_sql_eval(path, in_folder(tmp_path / "database"))


def test_gold_as_prediction_measures_the_ceiling(tmp_path: Path) -> None:
    questions = make_benchmark(tmp_path)
    entries = json.loads(questions.read_text(encoding="utf-8"))
    entries[3]["query"] = "SELECT nothing FROM nowhere"
    questions.write_text(json.dumps(entries), encoding="utf-8")
    tasks = load_spider(questions, tmp_path / "database")
    summary = evaluate(tasks, GoldAsPrediction(), out=tmp_path / "run", config={})
    assert (summary["n"], summary["correct"], summary["unscored"]) == (6, 5, 1)
    assert summary["ceiling"] == summary["execution_accuracy"] == 5 / 6


def test_a_missing_database_leaves_its_questions_unscored(tmp_path: Path) -> None:
    questions = make_benchmark(tmp_path)
    entries = json.loads(questions.read_text(encoding="utf-8"))
    entries[0]["db_id"], entries[1]["db_id"] = "gone", "../pets"
    questions.write_text(json.dumps(entries), encoding="utf-8")
    tasks = load_spider(questions, tmp_path / "database")
    summary = evaluate(tasks, GoldAsPrediction(), out=tmp_path / "run", config={})
    assert (summary["n"], summary["correct"], summary["unscored"]) == (6, 4, 2)
    assert all(line["unscored"] for line in lines(tmp_path / "run")[:2])


def rows(*cells: object, columns: int = 1) -> Rows:
    table = tuple(tuple(cells[i : i + columns]) for i in range(0, len(cells), columns))
    return Rows(columns=tuple(f"c{i}" for i in range(columns)), rows=table)


@pytest.mark.parametrize(
    ("found", "gold", "error"),
    [
        (rows(), rows(1), "no rows"),
        (rows(1), rows(), "rows for none"),
        (rows(1), rows(1, 2, columns=2), "too few columns"),
        (rows(1, 2, columns=2), rows(1), "too many columns"),
        (rows(2, 1), rows(1, 2), "wrong order"),
        (rows(1, 1, 2), rows(1, 2), "duplicates"),
        (rows(1), rows(1, 2), "too few rows"),
        (rows(1, 2, 3), rows(1, 2), "too many rows"),
        (rows(1, 3), rows(1, 2), "other values"),
        (rows([1], [2]), rows([1]), "too many rows"),
    ],
)
def test_every_wrong_result_has_one_class(found: Rows, gold: Rows, error: str) -> None:
    assert error_of("SELECT", found, gold) == error
    assert error in ERRORS


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("SELECT b FROM t WHERE c > 1", ("columns",)),
        ("SELECT a FROM t WHERE c > 2", ("values",)),
        ("SELECT a FROM t WHERE c < 1", ("comparisons",)),
        ("SELECT a FROM u WHERE c > 1", ("tables",)),
        ("SELECT DISTINCT a FROM t WHERE c > 1 ORDER BY a DESC", ("order", "distinct")),
        ("SELECT a AS x FROM t AS y WHERE y.c > 1", ()),
        ("no sql (", ()),
    ],
)
def test_the_parts_that_differ_are_named(sql: str, parts: tuple[str, ...]) -> None:
    assert differs_in(sql, "SELECT a FROM t WHERE c > 1", "sqlite") == parts


def test_the_questions_in_the_documents_can_be_answered(tmp_path: Path) -> None:
    build_sample(tmp_path / "company.sqlite")
    tasks = load_lines(DOCS / "company_questions.jsonl", str(tmp_path / "company.sqlite"))
    summary = evaluate(tasks, GoldAsPrediction(), out=tmp_path / "run", config={})
    only_rows = sum(not task.gold for task in tasks)
    assert (summary["correct"], summary["unscored"]) == (30 - only_rows, only_rows)


def test_the_documents_name_all_that_filters_know() -> None:
    page = (DOCS / "evaluation.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in page] == []


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_bird_on_a_server_with_all_tables_in_one_database(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """As mini-dev comes for PostgreSQL and MySQL: one database, whatever `db_id` says."""
    server = request.getfixturevalue(f"{engine}_server")
    make = servers.make_postgresql if engine == "postgresql" else servers.make_mariadb
    script = (
        "CREATE TABLE hero (name TEXT, height INT); INSERT INTO hero VALUES ('A', 1), ('B', 2);"
    )
    url = make(server, f"bird_{engine}", script)
    golds = {"superhero": "SELECT name FROM hero WHERE height > 1", "other": "SELECT nothing"}
    entries = [{"db_id": name, "question": "q?", "SQL": sql} for name, sql in golds.items()]
    tasks = load_bird(write(tmp_path / "mini.jsonl", entries), at_url(url))
    summary = evaluate(tasks, GoldAsPrediction(), out=tmp_path / "run", config={}, metric="bird")
    assert (summary["correct"], summary["unscored"]) == (1, 1)


def test_gold_without_end_is_unscored_and_the_others_are_not(tmp_path: Path) -> None:
    questions = make_benchmark(tmp_path)
    entries = json.loads(questions.read_text(encoding="utf-8"))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    entries[0]["query"] = endless  # a million rows and more: a cap stops it
    questions.write_text(json.dumps(entries), encoding="utf-8")
    tasks = load_spider(questions, tmp_path / "database")
    summary = evaluate(tasks, Scripted(), out=tmp_path / "run", config={})
    assert (summary["n"], summary["unscored"]) == (6, 1)
    assert lines(tmp_path / "run")[0]["unscored"].startswith("gold does not run")
