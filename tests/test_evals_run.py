from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import evals_cases
from evals_cases import QUESTIONS, Scripted, make_benchmark
from punctual import wait_until
from quorumsql.errors import ConfigError, UsageError
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.evals.predictions import Prediction
from quorumsql.evals.run import evaluate

CONFIG = {"benchmark": "tiny"}
KEYS = ["index", "db_id", "question", "sql", "confidence", "abstained", "correct", "status"]


@pytest.fixture
def tasks(tmp_path: Path) -> Sequence[Task]:
    questions = make_benchmark(tmp_path)
    return load_spider(questions, tmp_path / "database")


def lines(run: Path) -> list[dict[str, Any]]:
    text = (run / "predictions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def check_sums(run: Path, tasks: Sequence[Task]) -> dict[str, Any]:
    """The counts of a finished run, whatever happened in it, add up."""
    summary: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    written = lines(run)
    assert [line["index"] for line in written] == [task.index for task in tasks]
    assert summary["n"] == len(tasks)
    right = sum(line["correct"] for line in written)
    assert summary["correct"] == right
    assert summary["execution_accuracy"] == right / len(tasks)
    assert sum(d["n"] for d in summary["databases"].values()) == len(tasks)
    assert sum(d["correct"] for d in summary["databases"].values()) == right
    assert sum(summary["statuses"].values()) == len(tasks)
    assert summary["unscored"] == sum(line["unscored"] is not None for line in written)
    assert summary["abstained"] == sum(line["abstained"] for line in written)
    assert summary["ci95"][0] <= summary["execution_accuracy"] <= summary["ci95"][1]
    return summary


def test_a_run_writes_its_files(tasks: Sequence[Task], tmp_path: Path) -> None:
    run = tmp_path / "run"
    seen: list[Prediction] = []
    returned = evaluate(tasks, Scripted(), out=run, config=CONFIG, watch=seen.append)
    assert sorted(p.name for p in run.iterdir()) == [
        "config.json",
        "predictions.jsonl",
        "report.html",
        "report.md",
        "summary.json",
    ]
    summary = check_sums(run, tasks)
    assert summary == json.loads(json.dumps(returned))
    assert len(seen) == len(tasks)
    assert json.loads((run / "config.json").read_text(encoding="utf-8")) == CONFIG
    by_question = {line["question"]: line for line in lines(run)}
    assert {q: line["correct"] for q, line in by_question.items()} == {
        "How many pets?": True,
        "Names by weight?": False,
        "Distinct names?": True,
        "Largest city?": True,
        "All people?": False,
        "Name and people?": True,
    }
    assert list(lines(run)[0])[: len(KEYS)] == KEYS


def test_the_summary_tells_members_from_the_ensemble(tasks: Sequence[Task], tmp_path: Path) -> None:
    summary = evaluate(tasks, Scripted(), out=tmp_path / "run", config=CONFIG)
    assert summary["members"]["embedded/a"]["value"] == pytest.approx(3 / 6)
    assert summary["members"]["embedded/b"]["value"] == pytest.approx(2 / 6)
    assert summary["best_member"] == "embedded/a"
    assert summary["majority"]["value"] == pytest.approx(3 / 6)
    assert summary["oracle"]["value"] == pytest.approx(5 / 6)
    assert summary["oracle_of_members"]["value"] == pytest.approx(4 / 6)
    assert summary["unanimity"]["rate"] == pytest.approx(2 / 6)
    assert summary["unanimity"]["accuracy"] == pytest.approx(1 / 2)
    difference = summary["ensemble_minus_best_member"]
    assert difference["value"] == pytest.approx(1 / 6)
    assert difference["ci95"][0] <= difference["value"] <= difference["ci95"][1]
    assert summary["latency_ms"]["generate"] == {"median": 2.0, "p95": 2.0, "total": 10.0}


def test_candidates_carry_their_verdicts(tasks: Sequence[Task], tmp_path: Path) -> None:
    evaluate(tasks, Scripted(), out=tmp_path / "run", config=CONFIG)
    failed, right = lines(tmp_path / "run")[2]["candidates"]
    assert failed == {
        "generator": "embedded/a",
        "sql": "SELECT nome FROM pet",
        "status": "error",
        "weight": 0.0,
        "group": None,
        "correct": False,
    }
    assert (right["status"], right["group"], right["correct"]) == ("ok", 0, True)


def test_a_crash_is_one_unscored_question(tasks: Sequence[Task], tmp_path: Path) -> None:
    run = tmp_path / "run"
    evaluate(tasks, Scripted(crash="How many pets?"), out=run, config=CONFIG)
    assert check_sums(run, tasks)["unscored"] == 1
    crashed = lines(run)[0]
    assert "RuntimeError: scripted crash" in crashed["unscored"]
    assert crashed["correct"] is False


def test_gold_that_does_not_run_is_unscored_and_counts(tmp_path: Path) -> None:
    questions = make_benchmark(tmp_path)
    entries = json.loads(questions.read_text(encoding="utf-8"))
    entries[3]["query"] = "SELECT nothing FROM nowhere"
    questions.write_text(json.dumps(entries), encoding="utf-8")
    tasks = load_spider(questions, tmp_path / "database")
    evaluate(tasks, Scripted(), out=tmp_path / "run", config=CONFIG)
    assert check_sums(tmp_path / "run", tasks)["unscored"] == 1
    assert "gold does not run" in lines(tmp_path / "run")[3]["unscored"]


def test_a_corrupt_database_costs_its_own_questions_only(tmp_path: Path) -> None:
    questions = make_benchmark(tmp_path)
    (tmp_path / "database/pets/pets.sqlite").write_bytes(b"this is no database" * 500)
    tasks = load_spider(questions, tmp_path / "database")
    evaluate(tasks, Scripted(), out=tmp_path / "run", config=CONFIG)
    summary = check_sums(tmp_path / "run", tasks)
    assert summary["databases"]["pets"]["correct"] == 0
    assert summary["databases"]["cities"]["correct"] == 2
    assert summary["unscored"] == 3


def test_several_workers_find_the_same(tasks: Sequence[Task], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    evaluate(tasks, Scripted(), out=one, config=CONFIG)
    evaluate(tasks, Scripted(), out=two, config=CONFIG, workers=2)
    check_sums(two, tasks)
    timed = ("seconds", "timings_ms")
    assert [{k: v for k, v in line.items() if k not in timed} for line in lines(one)] == [
        {k: v for k, v in line.items() if k not in timed} for line in lines(two)
    ]


def test_a_killed_run_continues_where_it_stopped(tasks: Sequence[Task], tmp_path: Path) -> None:
    run = tmp_path / "run"
    script = [sys.executable, evals_cases.__file__, str(tmp_path), str(run), "2.0"]
    process = subprocess.Popen(script)
    try:
        wait_until(lambda: _complete_lines(run) > 0, seconds=300)
    finally:
        process.kill()
        process.wait()
    before = _complete_lines(run)
    assert 1 <= before < len(QUESTIONS)
    assert not (run / "summary.json").exists()
    with (run / "predictions.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"index": 5, "db_id": "cit')  # what a kill in mid-write leaves

    fresh: list[int] = []

    class Noting(Scripted):
        def open(self, database: str):  # type: ignore[no-untyped-def]
            fresh.append(1)
            return super().open(database)

    seen: list[Prediction] = []
    evaluate(tasks, Noting(), out=run, config=CONFIG, watch=seen.append)
    assert len(seen) == len(tasks)
    summary = check_sums(run, tasks)
    assert summary["correct"] == 4
    evaluate(tasks, Noting(), out=run, config=CONFIG)
    assert fresh == [1] * len(fresh) and len(fresh) <= 2, "a finished run opens nothing again"


def _complete_lines(run: Path) -> int:
    path = run / "predictions.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_another_configuration_is_refused(tasks: Sequence[Task], tmp_path: Path) -> None:
    run = tmp_path / "run"
    evaluate(tasks, Scripted(), out=run, config={"benchmark": "tiny", "limit": None})
    before = (run / "predictions.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="limit = null, this one has 3"):
        evaluate(tasks[:3], Scripted(), out=run, config={"benchmark": "tiny", "limit": 3})
    assert (run / "predictions.jsonl").read_bytes() == before


def test_questions_that_changed_since_are_refused_in_words(
    tasks: Sequence[Task], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    evaluate(tasks, Scripted(), out=run, config={"questions": "q.json", "questions_sha256": "a"})
    with pytest.raises(ConfigError, match=r"run with what q\.json was before it changed"):
        evaluate(
            tasks, Scripted(), out=run, config={"questions": "q.json", "questions_sha256": "b"}
        )


def test_predictions_about_other_questions_are_refused(
    tasks: Sequence[Task], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    evaluate(tasks, Scripted(), out=run, config=CONFIG)
    with pytest.raises(ConfigError, match="answers another question"):
        evaluate(tasks[:2], Scripted(), out=run, config=CONFIG)


def test_a_broken_line_in_the_middle_is_named(tasks: Sequence[Task], tmp_path: Path) -> None:
    run = tmp_path / "run"
    evaluate(tasks, Scripted(), out=run, config=CONFIG)
    path = run / "predictions.jsonl"
    text = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([text[0], "{}\n", *text[2:]]), encoding="utf-8")
    with pytest.raises(UsageError, match=r"predictions\.jsonl:2: is not a prediction"):
        evaluate(tasks, Scripted(), out=run, config=CONFIG)


def test_a_folder_that_cannot_be_made_is_a_usage_error(
    tasks: Sequence[Task], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot hold a run"):
        evaluate(tasks, Scripted(), out=blocked / "run", config=CONFIG)


def test_two_processes_do_not_write_one_run(tasks: Sequence[Task], tmp_path: Path) -> None:
    run = tmp_path / "run"

    def second(_: Prediction) -> None:
        with pytest.raises(UsageError, match="another process is writing this run"):
            evaluate(tasks, Scripted(), out=run, config=CONFIG)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(tasks, Scripted(), out=run, config=CONFIG, watch=second)
    evaluate(tasks, Scripted(), out=run, config=CONFIG)
    check_sums(run, tasks)
