from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import complaint, parsed
from evals_cases import QUESTIONS, make_benchmark


def quorum(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quorumsql", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path)


def test_choose_writes_choices_and_counts_what_is_wrong(questions: Path) -> None:
    folder = questions.parent
    pool, out = folder / "pool.jsonl", folder / "choices.jsonl"
    candidates = [{"generator": "a", "sql": "SELECT 4"}, {"generator": "b", "sql": "SELECT 1"}]
    good = {"id": "x", "db_id": "pets", "question": "?", "candidates": candidates}
    pool.write_text(json.dumps(good) + "\n{torn\n", encoding="utf-8")
    done = quorum("choose", "--pool", pool, "--db-dir", folder / "database", "--out", out)
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in written] == ["x", None]
    assert f"{pool}:2: not JSON" in done.stderr
    assert "2 choices, 1 line with something wrong" in done.stderr
    assert "0 lines where nothing ran, 1 line without any SQL" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pool", "no.jsonl", "--method", "majority"], "no.jsonl: cannot be read"),
        (["--pool", "pool.jsonl", "--method", "best"], "Unknown method 'best'"),
        (["--pool", "pool.jsonl", "--db-dir", "nowhere"], "no such folder of databases"),
    ],
)
def test_choose_says_in_one_line_what_to_fix(
    questions: Path, arguments: list[str], words: str
) -> None:
    folder = questions.parent
    given = ["--db-dir", folder / "database", "--out", folder / "out.jsonl", *arguments]
    done = quorum("choose", *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not (folder / "out.jsonl").exists()


def test_choose_goes_on_where_it_was_interrupted(questions: Path) -> None:
    """Lines chosen before are kept; those where nothing ran are tried again."""
    folder = questions.parent
    pool, out = folder / "pool.jsonl", folder / "choices.jsonl"
    partial = folder / "choices.jsonl.partial"
    entries = []
    for place in range(5):
        sqls = ["SELECT 4", f"SELECT {place}", f"SELECT {place} + 0"]
        listed = [{"generator": f"g{n}", "sql": sql} for n, sql in enumerate(sqls)]
        entries.append({"id": place, "db_id": "pets", "question": "?", "candidates": listed})
    entries[3]["db_id"] = "nowhere"
    pool.write_text("\n\n".join(map(json.dumps, entries)) + "\n", encoding="utf-8")
    given = ("choose", "--pool", pool, "--db-dir", folder / "database", "--out", out, "--json")
    whole = parsed(quorum(*given))
    assert (whole["lines"], whole["nothing_ran"], whole["without_sql"]) == (5, 1, 0)
    assert [one["line"] for one in whole["problems"]] == [7]
    before = out.read_text(encoding="utf-8")
    assert not partial.exists()
    begin_again = {**os.environ, "COLUMNS": "100"}
    work = subprocess.Popen(
        [sys.executable, "-m", "quorumsql", *map(str, given)], env=begin_again,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while work.poll() is None and (not partial.exists() or partial.read_bytes().count(b"\n") < 4):
        time.sleep(0.005)
    work.kill()
    work.wait()
    assert out.read_text(encoding="utf-8") == before
    out.unlink()
    resumed = parsed(quorum(*given))
    assert out.read_text(encoding="utf-8") == before and not partial.exists()
    assert resumed["made_earlier"] >= 1 and resumed["nothing_ran"] == 1


def test_choose_does_not_go_on_with_other_work(questions: Path) -> None:
    folder = questions.parent
    pool, out = folder / "pool.jsonl", folder / "choices.jsonl"
    candidates = [{"generator": "a", "sql": "SELECT 4"}]
    entry = {"id": "x", "db_id": "pets", "question": "?", "candidates": candidates}
    pool.write_text(json.dumps(entry) + "\n", encoding="utf-8")
    partial = folder / "choices.jsonl.partial"
    head = '{"config": {"pool_sha256": "other"}}\n{"line": 1}\n'
    partial.write_text(head, encoding="utf-8")
    given = ("choose", "--pool", pool, "--db-dir", folder / "database", "--out", out)
    assert "unfinished work with other questions" in complaint(quorum(*given), 2)
    assert partial.read_text(encoding="utf-8") == head and not out.exists()


def test_a_pool_without_anything_to_choose_from_is_the_callers_to_fix(questions: Path) -> None:
    folder = questions.parent
    (folder / "pool.jsonl").write_text("{}\n[]\n", encoding="utf-8")
    out = folder / "out.jsonl"
    given = ["--pool", folder / "pool.jsonl", "--db-dir", folder / "database", "--out", out]
    assert quorum("choose", *given).returncode == 2
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2


def test_eval_measures_the_embedded_ensemble(questions: Path) -> None:
    folder = questions.parent
    given = ["--questions", questions, "--db-dir", folder / "database", "--out", folder / "run"]
    done = quorum("eval", "spider", *given, "--json")
    if done.returncode:  # an installation without weights says so, and measures nothing
        assert "Traceback" not in done.stderr and "embedded" in done.stderr
        assert not (folder / "run" / "summary.json").exists()
        return
    summary = json.loads(done.stdout)
    assert summary == json.loads((folder / "run/summary.json").read_text(encoding="utf-8"))
    assert summary["n"] == len(QUESTIONS)
    assert summary["unscored"] == 0
    assert all(name.startswith("embedded/") for name in summary["members"])
    table = quorum("eval", "spider", *given)
    assert "ensemble" in table.stdout and "oracle" in table.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--questions": "no.json"}, "no.json: cannot be read"),
        ({"--generators": "embeded"}, "embeded"),
        ({"--limit": "0"}, "limit"),
        ({"--db-dir": "nowhere"}, "no such folder of databases"),
    ],
)
def test_eval_says_in_one_line_what_to_fix(
    questions: Path, change: dict[str, str], words: str
) -> None:
    folder = questions.parent
    given = {
        "--questions": questions,
        "--db-dir": folder / "database",
        "--out": folder / "run",
        **change,
    }
    done = quorum("eval", "spider", *[text for pair in given.items() for text in pair])
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("quorum: ")
