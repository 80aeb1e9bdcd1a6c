"""`quorum eval jsonl` in continuous integration, `quorum compare`, and `quorum batch`."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from command import command, complaint, parsed, quorum
from evals_cases import Scripted, make_benchmark
from punctual import wait_until
from quorumsql.config import load_settings
from quorumsql.errors import ConfigError, UsageError
from quorumsql.evals.baseline import changes_since, save_baseline
from quorumsql.evals.batch import Asked, answer_file, load_questions
from quorumsql.evals.compare import compare, read_run
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.predictions import read_predictions
from quorumsql.evals.run import View, evaluate
from quorumsql.evals.summary import summarise

RIGHT = {"direct": ["SELECT count(*) FROM pet"]}
WRONG = {"direct": ["SELECT 1"]}


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    make_benchmark(tmp_path)
    return tmp_path / "database/pets/pets.sqlite"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl"
    entries = [
        {"question": "How many pets?", "sql": "SELECT count(*) FROM pet"},
        {"question": "How many animals?", "rows": [[4]]},
        {"question": "Which names?", "sql": "SELECT name FROM pet"},
    ]
    path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    return path


def test_own_questions_in_continuous_integration(
    tmp_path: Path, pets: Path, questions: Path
) -> None:
    given: list[str | Path] = ["eval", "jsonl", "--questions", questions, "--db", pets]
    baseline = tmp_path / "baseline.json"
    first = quorum(
        *given, "--out", tmp_path / "a", "--save-baseline", baseline, "--json", script=RIGHT
    )
    assert parsed(first)["execution_accuracy"] == pytest.approx(2 / 3)
    good = quorum(
        *given,
        "--out",
        tmp_path / "b",
        "--baseline",
        baseline,
        "--fail-under",
        "0.6",
        script=RIGHT,
    )
    assert good.returncode == 0, good
    assert "0 gained, 0 lost, 0 new, 0 gone" in good.stderr
    bad = quorum(*given, "--out", tmp_path / "c", "--baseline", baseline, script=WRONG)
    assert bad.returncode == 1
    assert "lost: 0" in bad.stderr and "2 questions are no longer right" in bad.stderr
    low = quorum(*given, "--out", tmp_path / "c", "--fail-under", "0.5", script=WRONG)
    assert low.returncode == 1 and "below --fail-under 0.5" in low.stderr
    again = quorum(
        *given,
        "--out",
        tmp_path / "c",
        "--baseline",
        baseline,
        "--allow-lost",
        "2",
        "--compare",
        tmp_path / "a",
        "--slice",
        "conditions = 0",
        script=WRONG,
    )
    assert again.returncode == 0, again.stderr
    summary = json.loads((tmp_path / "c/summary.json").read_text(encoding="utf-8"))
    assert summary["comparison"]["lost"] == [0, 1]
    assert summary["slices"][0]["filter"] == "conditions = 0"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--slice", "jions > 1"], "Did you mean 'joins'"),
        (["--baseline", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--compare", "nowhere"], "is no run"),
        (["--fail-under", "80"], "--fail-under"),
        (["--db", "missing.sqlite"], "missing.sqlite"),
        (["--questions", "missing.jsonl"], "missing.jsonl: cannot be read"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path, pets: Path, questions: Path, more: list[str], words: str
) -> None:
    given = {"--questions": str(questions), "--db": str(pets), "--out": str(tmp_path / "run")}
    given |= {more[0]: more[1]}
    done = quorum("eval", "jsonl", *[w for pair in given.items() for w in pair], script=RIGHT)
    assert words in done.stderr and done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run/summary.json").exists()


def test_a_url_with_a_password_is_not_written_down(tmp_path: Path, questions: Path) -> None:
    from quorumsql.cli.evaluate_run import named

    assert "s3cret" not in named(None, "postgresql://bob:s3cret@127.0.0.1:1/x")
    assert named(None, "postgresql://bob:s3cret@db/{db_id}").endswith("{db_id}")


def test_what_identifies_a_run_tells_no_secret_place_or_name(tmp_path: Path) -> None:
    from quorumsql.evals.ensemble import identity

    given: dict[str, object] = {"who": "bob", "home": str(tmp_path), "hypotheses": 3}
    given |= {"web": {"tokens": {"ana": {"sha256": "a" * 64}}}}
    given |= {"prices": {"my_secret": [1, 2], "m": [1, 2]}}
    found = identity(load_settings(overrides=given, environ={}))
    assert found["hypotheses"] == 3 and found["prices"] == {"m": [1.0, 2.0]}
    told = json.dumps(found, default=str)
    assert not [word for word in ("bob", str(tmp_path), "ana", "a" * 64) if word in told]


def two_runs(tmp_path: Path) -> tuple[Path, Path]:
    tasks = load_spider(make_benchmark(tmp_path), tmp_path / "database")
    better = {"All people?": [("embedded/a", "SELECT sum(people) FROM city", 1.0)]}
    worse = {"Largest city?": [("embedded/a", "SELECT 1", 1.0)]}
    from evals_cases import ANSWERS

    evaluate(tasks, Scripted(), out=tmp_path / "a", config={})
    evaluate(
        tasks[1:],
        Scripted({**ANSWERS, **better, **worse}),
        out=tmp_path / "b",
        config={},
        view=View(against=tmp_path / "a"),
    )
    return tmp_path / "a", tmp_path / "b"


def test_two_runs_are_compared_on_what_they_share(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    found = compare(read_run(a).values(), read_run(b).values(), names=("a", "b"))
    assert (len(found.pairs), found.only_first, found.only_second) == (5, 1, 0)
    assert [p.second.question for p in found.gained] == ["All people?"]
    assert [p.second.question for p in found.lost] == ["Largest city?"]
    assert found.difference.value == 0 and found.mcnemar_p == 1.0
    assert "may be chance" in found.verdict
    printed = quorum("compare", a, b, "--html", tmp_path / "c.html")
    assert printed.returncode == 0 and "1 gained" in printed.stdout
    assert "| 3 | cities | lost | Largest city? |" in printed.stdout
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "Compared with another run" in page and '"was":' in page
    assert "Compared with another run" in (b / "report.html").read_text(encoding="utf-8")
    assert parsed(quorum("compare", a, b, "--json"))["gained"] == [4]
    assert "is no run" in complaint(quorum("compare", a, tmp_path), 2)


def test_a_better_run_is_called_better(tmp_path: Path) -> None:
    a, _ = two_runs(tmp_path)
    runs = list(read_run(a).values())
    from dataclasses import replace

    many = [
        replace(p, index=10 * n + p.index, db_id=f"{p.db_id}{n % 5}")
        for n in range(20)
        for p in runs
    ]
    perfect = [replace(p, correct=True) for p in many]
    assert "new is better" in compare(many, perfect, names=("old", "new")).verdict


def test_a_baseline_knows_questions_by_their_text(tmp_path: Path) -> None:
    a, _ = two_runs(tmp_path)
    predictions = list(read_predictions(a / "predictions.jsonl").values())
    path = tmp_path / "baseline.json"
    save_baseline(path, predictions, summarise(predictions))
    from dataclasses import replace

    moved = [replace(p, index=90 - p.index, correct=not p.correct) for p in predictions[1:]]
    found = changes_since(path, [*moved, replace(moved[0], question="new?")])
    assert (len(found.lost), len(found.gained), found.new, found.gone) == (3, 2, 1, 1)
    path.write_text('{"questions": 3}', encoding="utf-8")
    with pytest.raises(UsageError, match="is no baseline"):
        changes_since(path, predictions)


def batch_of(folder: Path, names: Sequence[tuple[str, str]]) -> tuple[Asked, ...]:
    return tuple(
        Asked(
            index=index,
            question=question,
            evidence="",
            database=str(folder / f"database/{name}/{name}.sqlite"),
            id=f"q{index}",
        )
        for index, (name, question) in enumerate(names)
    )


def test_a_file_of_questions_is_answered(tmp_path: Path, pets: Path) -> None:
    path = tmp_path / "questions.jsonl"
    entries: list[dict[str, Any]] = [
        {"question": "How many?", "id": {"any": "id"}},
        {"question": "How many there?", "db": str(tmp_path / "nowhere.sqlite")},
    ]
    path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    out = tmp_path / "answers.jsonl"
    done = quorum("batch", path, "--db", pets, "--out", out, script=RIGHT)
    assert done.returncode == 1 and "0 abstained, 1 failed" in done.stderr, done
    first, second = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert (first["index"], first["id"], first["rows"]) == (0, {"any": "id"}, [[4]])
    assert first["sql"] == "SELECT count(*) FROM pet" and "timings_ms" in first
    assert "nowhere.sqlite" in second["error"] and second["question"] == "How many there?"
    assert "exists already" in complaint(
        quorum("batch", path, "--db", pets, "--out", out, script=RIGHT), 2
    )
    text = tmp_path / "questions.txt"
    text.write_text("How many?\n\nHow many more?\r\n", encoding="utf-8")
    assert [one.question for one in load_questions(text, "x")] == ["How many?", "How many more?"]
    with pytest.raises(UsageError, match="no database"):
        load_questions(path, None)


def test_an_interrupted_batch_continues(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    names = [("pets", "How many pets?"), ("cities", "Largest city?"), ("pets", "Distinct names?")]
    asked = batch_of(tmp_path, names)
    out = tmp_path / "answers.jsonl"

    def stop(line: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_file(asked, Scripted(), out=out, config={"a": 1}, watch=stop)
    partial = tmp_path / "answers.jsonl.partial"
    assert partial.read_bytes().count(b"\n") == 2 and not out.exists()
    with partial.open("a", encoding="utf-8") as file:
        file.write('{"index": 2, "que')
    with pytest.raises(ConfigError, match="unfinished work with other questions"):
        answer_file(asked, Scripted(), out=out, config={"a": 2})
    only_missing = {q: a for q, a in Scripted().answers.items() if q != "How many pets?"}
    counts = answer_file(asked, Scripted(only_missing), out=out, config={"a": 1})
    assert (counts.answered, counts.failed) == (3, 0)
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in written] == ["q0", "q1", "q2"]
    assert not partial.exists()


def test_ctrl_c_leaves_a_run_that_continues(tmp_path: Path, pets: Path) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text(
        "\n".join(json.dumps({"question": f"How many {n}?", "rows": [[4]]}) for n in range(800)),
        encoding="utf-8",
    )
    run = tmp_path / "run"
    given: list[str | Path] = ["eval", "jsonl", "--questions", many, "--db", pets, "--out", run]
    started = subprocess.Popen(
        [*command(RIGHT, tmp_path), *map(str, given)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    path = run / "predictions.jsonl"
    wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") > 0, seconds=300)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    before = path.read_bytes().count(b"\n")
    assert 1 <= before < 800 and not (run / "summary.json").exists()
    done = quorum(*given, "--json", script=RIGHT)
    assert parsed(done)["n"] == 800 and parsed(done)["correct"] == 800
