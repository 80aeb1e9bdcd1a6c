"""BIRD's soft F1 and R-VES, and BIRD's metrics on PostgreSQL and MariaDB."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp, parse_one

import servers
from command import parsed, quorum
from evals_cases import Scripted, make_benchmark
from quorumsql.db import open_database
from quorumsql.domain import Rows
from quorumsql.evals.datasets import in_folder, load_bird
from quorumsql.evals.run import evaluate
from quorumsql.evals.score import Scored, score
from quorumsql.evals.score_files import read_job
from quorumsql.evals.score_items import Item, Metric, Options
from quorumsql.evals.score_pool import judge_of
from quorumsql.evals.score_rows import distinct, soft_f1
from quorumsql.evals.score_ves import reward_for
from quorumsql.evals.worker import GoldAsPrediction
from score_cases import GOLD, RIGHT, lines, make_bench

SLOW = (
    "SELECT count(*) FROM pet WHERE (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    " LIMIT 300000) SELECT count(*) FROM n) > 0"
)

# What the official functions return (mini_dev's evaluation_f1.py), run on these very rows.
SOFT_F1: list[tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], float]] = [
    ([], [], 1.0),
    ([(1,)], [], 0.0),
    ([], [(1,)], 0.0),
    ([(1, "a")], [("a", 1)], 1.0),
    ([(1, "a")], [(1,)], 2 / 3),
    ([(1,)], [(1, "a", "b")], 1 / 2),
    ([(1,), (2,)], [(2,), (1,)], 0.0),
    ([(1,), (1,), (2,)], [(1,), (2,), (2,)], 1.0),
    ([(1,), (2,), (3,)], [(1,), (3,)], 2 / 5),
    ([(None, 1)], [(None, 2)], 1 / 2),
    ([(1, 2)], [(1.0, 2.5)], 1 / 2),
    ([(1, 1)], [(1, 2)], 2 / 3),
]


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return make_bench(tmp_path)


def scored(bench: Path, pred: str, metric: Metric = "bird", **options: Any) -> Scored:
    (bench / "pred").write_text(pred, encoding="utf-8")
    given = {"db_dir": bench / "db", "seconds": 5.0, **options}
    job = read_job(bench / "gold.sql", bench / "pred")
    return score(job, Options(metric=metric, **given), workers=1)


@pytest.mark.parametrize(("gold", "predicted", "expected"), SOFT_F1)
def test_soft_f1_is_the_official_one(
    gold: list[tuple[Any, ...]], predicted: list[tuple[Any, ...]], expected: float
) -> None:
    assert soft_f1(list(distinct(gold)), list(distinct(predicted))) == pytest.approx(expected)


def test_soft_f1_is_a_share_and_equal_results_have_all_of_it() -> None:
    dice = random.Random(4)
    cells = [None, 0, 1, 1.0, "a", "1", b"x"]
    for _ in range(500):
        gold, other = (
            [tuple(dice.choices(cells, k=2)) for _ in range(dice.randrange(5))] for _ in range(2)
        )
        assert 0.0 <= soft_f1(list(distinct(gold)), list(distinct(other))) <= 1.0
        assert soft_f1(list(distinct(gold)), list(distinct(gold))) == 1.0


@pytest.mark.parametrize(
    ("ratios", "reward"),
    [
        ([2.0, 2.0], 1.25),
        ([1.9, 2.05], 1.0),
        ([1.0, 1.0], 1.0),
        ([0.99, 0.98], 0.75),
        ([0.3, 0.4], 0.5),
        ([0.1, 0.2], 0.25),
        ([1.0] * 50 + [500.0], 1.0),  # what lies three deviations away is left out
        ([0.0, 0.0], 0.0),
        ([], 0.0),
    ],
)
def test_the_reward_goes_by_the_mean_of_the_usual_ratios(
    ratios: list[float], reward: float
) -> None:
    assert reward_for(ratios) == reward


def test_bird_gives_soft_f1_beside_ex(bench: Path) -> None:
    answers = [*RIGHT[:3], "SELECT name, 1 FROM city", "SELECT nope"]
    found = scored(bench, lines(answers))
    assert [v.exec for v in found.verdicts] == [True, True, True, False, False]
    assert [v.f1 for v in found.verdicts] == [1.0, 1.0, 1.0, pytest.approx(0.5), 0.0]
    assert found.summary() == {
        "execution_accuracy": 0.6,
        "exact_match": None,
        "soft_f1": pytest.approx(0.7),
        "n": 5,
        "unscored": 0,
    }


def test_r_ves_rewards_what_is_faster_than_gold(bench: Path) -> None:
    """Gold counts to 300,000 for the second and third question; once the prediction does."""
    golds = [GOLD[0][0], SLOW, SLOW, "SELECT 1"]
    (bench / "gold.sql").write_text(lines([f"{sql}\tpets" for sql in golds]), encoding="utf-8")
    found = scored(bench, lines([SLOW, GOLD[0][0], SLOW, "SELECT 2"]), "bird-ves", repeats=3)
    slow, fast, same, wrong = (v.reward for v in found.verdicts)
    assert (slow, fast, wrong) == (0.25, 1.25, 0.0)
    assert same in {0.75, 1.0}
    r_ves = found.summary()["r_ves"]
    assert r_ves == pytest.approx((0.5 + 1.25**0.5 + (same or 0) ** 0.5) / 4)


def test_a_statement_that_writes_has_no_r_ves(bench: Path) -> None:
    (bench / "gold.sql").write_text("SELECT id FROM pet WHERE id > 99\tpets\n", encoding="utf-8")
    (verdict,) = scored(bench, "DELETE FROM pet\n", "bird-ves", repeats=2).verdicts
    assert (verdict.exec, verdict.f1, verdict.reward) == (True, 1.0, 0.0)
    assert "no R-VES" in verdict.reason


def test_the_command_prints_all_three_by_difficulty(bench: Path) -> None:
    entries = [
        {"question_id": i, "db_id": d, "question": "?", "SQL": s, "difficulty": level}
        for i, ((s, d), level) in enumerate(
            zip(GOLD, ["simple", "simple", "moderate", "moderate", "challenging"], strict=True)
        )
    ]
    (bench / "dev.json").write_text(json.dumps(entries), encoding="utf-8")
    answers = {str(i): f"{s}\t----- bird -----\t{d}" for i, (s, d) in enumerate(GOLD)}
    (bench / "pred.json").write_text(json.dumps(answers), encoding="utf-8")
    given: list[str | Path] = ["score", "--metric", "bird-ves", "--gold", bench / "dev.json"]
    given += ["--pred", bench / "pred.json", "--db-dir", bench / "db", "--repeats", "2"]
    given += ["--workers", "1", "--out", bench / "out.jsonl"]
    found = parsed(quorum(*given, "--json"))
    assert (found["execution_accuracy"], found["soft_f1"], found["n"]) == (1.0, 1.0, 5)
    assert 0.5 <= found["r_ves"] <= 1.25**0.5
    entry = json.loads((bench / "out.jsonl").read_text(encoding="utf-8").splitlines()[4])
    assert entry["hardness"] == "challenging" and entry["soft_f1"] == 1.0 and entry["reward"] > 0
    table = quorum(*given).stdout
    assert "soft F1" in table and "R-VES" in table and "moderate, 2 questions" in table


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_mini_dev_is_scored_on_servers(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """As mini-dev comes for them: one database, whatever `db_id` says; Decimals and dates."""
    server = request.getfixturevalue(f"{engine}_server")
    make = servers.make_postgresql if engine == "postgresql" else servers.make_mariadb
    script = (
        "CREATE TABLE hero (name VARCHAR(9), height NUMERIC(5, 1), born DATE);"
        "INSERT INTO hero VALUES ('A', 1.0, '2000-01-02'), ('B', 2.5, NULL);"
    )
    url = make(server, f"score_{engine}", script)
    golds = [
        "SELECT name FROM hero WHERE height > 1",
        "SELECT height, born FROM hero",
        "SELECT height, born FROM hero",
        "SELECT name FROM hero",
        "SELECT name FROM hero",
        "SELECT nothing FROM hero",
    ]
    answers = [
        "SELECT name FROM hero WHERE height > 2",
        "SELECT height, born FROM hero ORDER BY name DESC",
        "SELECT height, name FROM hero",
        "DELETE FROM hero",
        "SELECT nothing FROM hero",
        "SELECT 1",
    ]
    (tmp_path / "gold.sql").write_text(lines([f"{g}\tany" for g in golds]), encoding="utf-8")
    found = scored(tmp_path, lines(answers), "bird-ves", db_dir=None, url=url, repeats=2)
    assert [v.status for v in found.verdicts] == [
        *("right", "right", "wrong", "refused", "error", "unscored")
    ]
    assert [bool(v.reward) for v in found.verdicts] == [True, True, False, False, False, False]
    assert found.verdicts[2].f1 == pytest.approx(0.5)
    with closing(open_database(url)) as database:
        left = database.execute("SELECT count(*) FROM hero")
        assert isinstance(left, Rows) and left.rows == ((2,),), "nothing is deleted"


def test_eval_bird_reports_soft_f1_and_r_ves(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    golds = {"right?": "SELECT name, id FROM pet", "half?": "SELECT id, name FROM pet", "no?": "x"}
    entries = [{"db_id": "pets", "question": q, "SQL": sql} for q, sql in golds.items()]
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    tasks = load_bird(path, in_folder(tmp_path / "database"))
    script = {
        "right?": [("embedded/a", "SELECT name, id FROM pet ORDER BY id", 1.0)],
        "half?": [("embedded/a", "SELECT id FROM pet", 1.0)],
        "no?": [("embedded/a", "SELECT 1", 1.0)],
    }
    run = tmp_path / "run"
    summary = evaluate(tasks, Scripted(script), out=run, config={}, metric="bird", repeats=2)
    assert summary["execution_accuracy"] == pytest.approx(1 / 3)
    assert summary["soft_f1"]["value"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert 0.5 / 3 <= summary["r_ves"]["value"] <= 1.25**0.5 / 3
    text = (run / "report.md").read_text(encoding="utf-8")
    assert "soft F1" in text and "R-VES" in text
    assert "soft F1" in (run / "report.html").read_text(encoding="utf-8")
    ceiling = evaluate(
        tasks, GoldAsPrediction(), out=tmp_path / "gold", config={}, metric="bird", repeats=0
    )
    assert ceiling["soft_f1"]["value"] == pytest.approx(2 / 3) and "r_ves" not in ceiling


def altered(sql: str) -> list[str]:
    """A gold query, and what it becomes when one part of it is changed or left out."""
    found = [sql]
    for kind in (exp.Where, exp.Order, exp.Limit, exp.Distinct, exp.Group, exp.Join):
        tree = parse_one(sql, read="sqlite")
        for node in list(tree.find_all(kind))[:1]:
            node.pop()
            found.append(tree.sql("sqlite"))
    tree = parse_one(sql, read="sqlite")
    if isinstance(tree, exp.Select):
        found.append(tree.copy().distinct().sql("sqlite"))
        found.append(tree.copy().limit(1).sql("sqlite"))
        found.append(tree.copy().select("1").sql("sqlite"))
        reversed_columns = tree.copy()
        reversed_columns.set("expressions", tree.copy().expressions[::-1])
        found.append(reversed_columns.sql("sqlite"))
    return list(dict.fromkeys(found))


def test_ex_on_real_questions_is_equality_of_sets(quorum_data: Path) -> None:
    """The official rule in one line, on a connection of its own, for 65 questions altered."""
    folder = quorum_data / "bird_superhero"
    golds = [e["SQL"] for e in json.loads((folder / "dev.json").read_text(encoding="utf-8"))]
    path = folder / "dev_databases/superhero/superhero.sqlite"
    verdicts = []
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as plain,
        judge_of(Options(metric="bird", db_dir=folder / "dev_databases")) as judge,
    ):
        for gold in golds:
            for sql in altered(gold):
                item = Item(position=0, index=0, db_id="superhero", gold=gold, prediction=sql)
                found = judge.judge(item)
                try:
                    expected = set(plain.execute(sql)) == set(plain.execute(gold))
                except sqlite3.Error:
                    expected = False
                assert found.exec is expected, sql
                assert found.f1 is not None and 0.0 <= found.f1 <= 1.0
                verdicts.append(expected)
    assert len(verdicts) > 300 and 50 < sum(verdicts) < len(verdicts) - 50
