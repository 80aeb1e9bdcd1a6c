"""Whom others agree with stands high; it takes some questions to say so."""

from __future__ import annotations

import json
from pathlib import Path

from evals_cases import make_benchmark
from quorumsql.domain import Attempt, Candidate, Failure, Rows
from quorumsql.evals.pool import choose_pool
from quorumsql.stages.consensus import FEWEST, Consensus


def said(name: str, value: object) -> Candidate:
    execution = (
        Failure(kind="error", message="no")
        if value is None
        else Rows(columns=("n",), rows=((value,),))
    )
    return Candidate(
        generator=name, attempts=(Attempt(sql=f"SELECT {value}", execution=execution),)
    )


def heard(times: int, *pool: Candidate) -> dict[str, int]:
    consensus = Consensus()
    for _ in range(times):
        consensus.hear(pool, dialect="sqlite")
    return consensus.ranks()


def test_who_is_agreed_with_stands_first_and_who_fails_last() -> None:
    pool = [said("alone", 7), said("a", 1), said("b", 1), said("broken", None)]
    ranks = heard(FEWEST, *pool)
    assert {ranks["a"], ranks["b"]} == {0, 1}
    assert {ranks["alone"], ranks["broken"]} == {2, 3}


def test_few_questions_say_nothing() -> None:
    assert heard(FEWEST - 1, said("a", 1), said("b", 1), said("c", 2)) == {}
    assert heard(FEWEST, said("a", 1)) == {}


def test_one_agreement_weighs_less_than_a_hundred() -> None:
    consensus = Consensus()
    for _ in range(100):
        consensus.hear([said("a", 1), said("b", 1), said("c", 2)], dialect="sqlite")
    consensus.hear([said("new", 1), said("a", 1), said("b", 1)], dialect="sqlite")
    ranks = consensus.ranks()
    assert ranks["a"] < ranks["new"] < ranks["c"]


def test_trained_choice_counts_votes_by_the_consensus_of_the_pool(tmp_path: Path) -> None:
    """Two friends that are always wrong together against one that others agree with elsewhere."""
    databases = make_benchmark(tmp_path).parent / "database"
    good, bad = "SELECT count(*) FROM pet", "SELECT 41"
    lines = [
        {"db_id": "pets", "question": "How many pets?", "candidates": [
            {"generator": name, "sql": sql}
            for name, sql in (("a", good), ("b", good), ("c", good), ("x", f"{bad} + {n}"))]}
        for n in range(FEWEST)
    ]  # fmt: skip
    lines.append({"db_id": "pets", "question": "", "candidates": [
        {"generator": "x", "sql": "SELECT 1"}, {"generator": "a", "sql": "SELECT 2"}]})  # fmt: skip
    pool, out = tmp_path / "pool.jsonl", tmp_path / "out.jsonl"
    pool.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    choose_pool(pool, databases=databases, out=out, method="trained")
    choices = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {one["sql"] for one in choices[:-1]} == {good}
    assert choices[-1]["sql"] == "SELECT 2"
