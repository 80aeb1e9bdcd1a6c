"""The ablations: figures read off recorded candidates, and the command on a small benchmark."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command import complaint
from fault_server import FaultServer, Reply
from quorumsql.evals.ablate import agreement, rechosen
from quorumsql.evals.predictions import Prediction, Vote
from test_llm_cli import quorum

RANKS = {"g1": 0, "g2": 1, "g3": 2}


def votes(*parts: tuple[str, int | None, bool]) -> Prediction:
    """A question whose candidates have these generators, groups and verdicts."""
    pool = tuple(
        Vote(
            generator=name,
            sql=f"SELECT {group} -- {name}{n}",
            status="ok" if group is not None else "error",
            weight=1.0,
            group=group,
            correct=right,
        )
        for n, (name, group, right) in enumerate(parts)
    )
    return Prediction(
        index=0, db_id="d", question="?", sql="", confidence=0.0, abstained=False, correct=False,
        status="ok", candidates=pool,
    )  # fmt: skip


def figures(*predictions: Prediction) -> dict[str, float]:
    return {one.name: one.accuracy for one in rechosen(predictions, RANKS)}


def test_ways_to_choose_are_read_off_recorded_candidates() -> None:
    best_alone = votes(("g1", 1, True), ("g2", 0, False), ("g3", 0, False), ("g3", None, False))
    outvoted = votes(("g1", 1, False), ("g2", 0, True), ("g3", 0, True))
    found = figures(best_alone, outvoted)
    assert found["majority only"] == 0.5
    assert found["first of order s2 (accuracy)"] == 0.5
    assert found["first of order s3 (groups)"] == 0.5
    assert found["one generator: g1"] == 0.5
    assert found["one generator: g2"] == 0.5
    assert found["upper bound: any candidate"] == 1.0
    assert found["lower bound: every candidate"] == 0.0
    assert figures(outvoted)["first of order s3 (groups)"] == 1.0
    assert figures(outvoted)["first of order s2 (accuracy)"] == 0.0


def test_half_of_the_candidates_are_the_first_of_each_generator() -> None:
    one = votes(("g1", 0, True), ("g1", 1, False), ("g2", 1, False), ("g2", 1, False),
                ("g3", 0, True), ("g3", 1, False))  # fmt: skip
    assert figures(one)["majority only"] == 0.0
    assert figures(one)["majority, half of the candidates"] == 1.0


def test_the_tail_of_a_beam_is_no_candidate() -> None:
    beam = votes(("g1", 0, True), ("g1", 1, False), ("g1", 1, False))
    weights = (0.8, 0.1, 0.1)
    pool = zip(beam.candidates, weights, strict=True)
    beam = replace(beam, candidates=tuple(replace(vote, weight=w) for vote, w in pool))
    found = figures(beam)
    assert found["majority only"] == 1.0
    assert found["lower bound: every candidate"] == 1.0


def test_no_candidate_is_no_answer() -> None:
    assert set(figures(votes(("g1", None, False))).values()) == {0.0}
    assert figures() == {} or set(figures().values()) == {0.0}


def test_right_answers_by_how_many_have_them() -> None:
    found = agreement(
        [votes(("g1", 0, True), ("g2", 0, True), ("g3", 1, False)), votes(("g1", 0, True))]
    )
    assert found["g1"] == {"R1": 0.5, "R2": 0.5, "final": 1.0}
    assert found["g2"] == {"R2": 0.5, "final": 0.5}
    assert "g3" not in found


@pytest.fixture
def benchmark(shop: Path, tmp_path: Path) -> tuple[str, ...]:
    """Two questions about the shop, in Spider's layout."""
    (tmp_path / "db" / "shop").mkdir(parents=True)
    shutil.copy(shop, tmp_path / "db" / "shop" / "shop.sqlite")
    tasks = [
        {"db_id": "shop", "question": "How many customers are there?",
         "query": "SELECT count(*) FROM customer"},
        {"db_id": "shop", "question": "How many cities are there?",
         "query": "SELECT count(*) FROM city"},
    ]  # fmt: skip
    (tmp_path / "dev.json").write_text(json.dumps(tasks), encoding="utf-8")
    return (
        "ablate", "--questions", str(tmp_path / "dev.json"), "--db-dir", str(tmp_path / "db"),
        "--out", str(tmp_path / "out"),
    )  # fmt: skip


def test_the_command_prices_runs_and_resumes(benchmark: tuple[str, ...], tmp_path: Path) -> None:
    def plan(number: int, body: dict[str, Any]) -> Reply:
        asked = body["messages"][-1]["content"]
        if "reply with its letter" in asked.lower():
            return Reply(texts=("A",))
        table = "city" if "cities" in asked and number % 3 else "customer"
        return Reply(texts=(f"```sql\nSELECT count(*) FROM {table}\n```",))

    with FaultServer(plan) as server:
        env = {"OPENAI_BASE_URL": server.url}
        options = (*benchmark, "--model", "m", "--generators", "direct,plan,standard", "--json")
        priced = quorum(*options, "--dry-run", env=env)
        assert json.loads(priced.stdout)["estimate"]["calls"] >= 18
        assert "Add --yes" in complaint_of_last_line(quorum(*options, env=env))
        assert server.bodies == []
        found = json.loads(quorum(*options, "--yes", env=env).stdout)
        names = [one["name"] for one in found["figures"]]
        assert names[:4] == [
            "full", "without filter", "selector, order s1", "selector, order s2",
        ]  # fmt: skip
        assert {"majority only", "one generator: direct"} <= set(names)
        assert all(one["n"] == 2 for one in found["figures"])
        calls = len(server.bodies)
        again = json.loads(quorum(*options, "--yes", env=env).stdout)
        assert again == found
        assert len(server.bodies) == calls, "finished runs cost nothing"
    assert (tmp_path / "out" / "ablation.json").is_file()


def complaint_of_last_line(finished: Any) -> str:
    assert finished.returncode == 2
    return str(finished.stderr.splitlines()[-1])


def test_embedded_members_cost_nothing(benchmark: tuple[str, ...], tmp_path: Path) -> None:
    done = quorum(*benchmark, "--generators", "embedded", env={"QUORUM_WHO": "bob"})
    assert done.returncode == 0, done
    for config in (tmp_path / "out").glob("*/config.json"):
        settings = json.loads(config.read_text(encoding="utf-8"))["settings"]
        assert not {"web", "audit", "telemetry", "who", "home"} & set(settings)
    assert "one generator: embedded/" in done.stdout
    assert "without filter" in done.stdout
    assert "order s1 (random)" in done.stdout
    dry = quorum(*benchmark, "--generators", "embedded", "--dry-run")
    assert "costs nothing" in dry.stderr


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    options = ("--questions", "no.json", "--db-dir", str(tmp_path), "--out", str(tmp_path))
    assert "no.json" in complaint(quorum("ablate", *options), 2)
