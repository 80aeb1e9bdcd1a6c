"""`quorum verdict`: what people say of answers is kept, taken back, and moves confidence."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command import complaint, parsed, quorum
from quorumsql import shipped
from quorumsql.cli.verdict import _Records, _summary
from quorumsql.stages.calibrate import fit, save
from quorumsql.stores.history import History
from quorumsql.stores.verdicts import Verdict, VerdictStore

COUNT = "SELECT count(*) FROM customer"
NAMES = "SELECT name FROM customer"
SCRIPT = {"a": [COUNT], "b": ["SELECT count(id) FROM customer"], "c": [NAMES]}


def ask(shop: Path) -> dict[str, Any]:
    """The answer, also where it is held back because verdicts made it unsure (exit code 3)."""
    finished = quorum("ask", "--db", shop, "--json", "How many customers?", script=SCRIPT)
    assert finished.returncode in {0, 3}, finished
    found: dict[str, Any] = json.loads(finished.stdout)
    assert found["abstained"] == (finished.returncode == 3)
    return found


def verdict(shop: Path, *arguments: str) -> dict[str, Any]:
    return parsed(quorum("verdict", "--db", shop, "--json", *arguments))


def test_a_verdict_on_the_last_answer_is_kept_and_proposed_as_an_example(shop: Path) -> None:
    ask(shop)
    said = verdict(shop, "right")
    assert (said["verdict"], said["proposed"]) == ("right", True)
    assert said["question"] == "How many customers?"
    assert said["database"]["verdicts"] == 1 and said["database"]["needed"] == 4
    (listed,) = verdict(shop, "--list")["answers"]
    assert (listed["verdict"], listed["id"]) == ("right", said["answer"])
    page = quorum("verdict", "--db", shop, "--list").stdout
    assert (
        "How many customers?" in page
        and "1 verdict so far (1 right). After 4 more, confidence adapts" in page
    )


def test_the_right_sql_says_whether_the_answer_was_right(shop: Path) -> None:
    ask(shop)
    assert verdict(shop, "--sql", "SELECT 0 + count(*) FROM customer")["verdict"] == "right"
    corrected = verdict(shop, "--sql", "SELECT count(*) FROM city")
    assert (corrected["verdict"], corrected["proposed"]) == ("wrong", True)
    assert corrected["database"]["verdicts"] == 1  # the later word on one answer counts
    error = complaint(quorum("verdict", "--db", shop, "--sql", "SELECT nope FROM city"), 2)
    assert "The SQL does not run" in error and "nope" in error


def test_another_answer_can_be_meant_and_a_verdict_taken_back(shop: Path) -> None:
    ask(shop)
    first = verdict(shop, "--list")["answers"][0]["id"]
    ask(shop)
    assert verdict(shop, "wrong", "--answer", first)["answer"] == first
    assert [one["verdict"] for one in verdict(shop, "--list")["answers"]] == [None, "wrong"]
    undone = verdict(shop, "--undo")
    assert undone["undone"] == "wrong" and undone["database"]["verdicts"] == 0
    assert [one["verdict"] for one in verdict(shop, "--list")["answers"]] == [None, None]
    assert "Nothing to undo" in complaint(quorum("verdict", "--db", shop, "--undo"), 2)


def examples() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(quorum("examples", "list", "--json").stdout)
    return listed


def test_an_answer_that_is_wrong_after_all_is_no_example(shop: Path) -> None:
    ask(shop)
    said = verdict(shop, "right")
    (proposed,) = examples()
    assert (proposed["id"], proposed["approved"]) == (said["example"], False)
    page = quorum("verdict", "--db", shop, "wrong").stdout
    assert "The example that it proposed is withdrawn." in page and examples() == []
    kept = verdict(shop, "--sql", "SELECT count(*) FROM city")
    assert kept["proposed"] and not kept["withdrawn"]
    undone = verdict(shop, "--undo")
    assert undone["withdrawn"] and examples() == []
    page = quorum("verdict", "--db", shop, "right").stdout
    (again,) = examples()
    assert page.splitlines()[1].endswith(
        f"put it to use with: quorum examples approve {again['id']}"
    )


def test_examples_are_one_whatever_the_layout_and_stay_while_somebody_stands_by_them(
    shop: Path,
) -> None:
    ask(shop)
    assert verdict(shop, "--sql", "SELECT count(*) FROM city")["proposed"]
    ask(shop)
    same = verdict(shop, "--sql", "select COUNT(*)\n  from city;")
    assert not same["proposed"] and len(examples()) == 1
    assert not verdict(shop, "--undo")["withdrawn"] and len(examples()) == 1
    assert verdict(shop, "--undo")["withdrawn"] and examples() == []
    verdict(shop, "right")
    quorum("examples", "approve", "--all")
    assert not verdict(shop, "wrong")["withdrawn"] and examples()[0]["approved"]


def test_five_wrong_answers_lower_confidence_and_their_own_effect_is_not_counted(
    shop: Path,
) -> None:
    before = ask(shop)["confidence"]
    for _ in range(5):
        ask(shop)
        verdict(shop, "wrong")
    after = ask(shop)["confidence"]
    assert after < before - 0.1
    file = next(Path(os.environ["QUORUM_HOME"]).rglob("verdicts.jsonl"))
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len({record["confidence"] for record in records}) == 1
    quorum("verdict", "--db", shop, "wrong")
    assert ask(shop)["confidence"] < after
    said = quorum("verdict", "--db", shop, "--list").stdout
    assert "An answer that ships with 70 % is shown with" in said


def test_what_cannot_be_judged_is_said(shop: Path, tmp_path: Path) -> None:
    assert "Nothing was asked" in complaint(quorum("verdict", "--db", shop, "right"), 2)
    assert "Say right or wrong" in complaint(quorum("verdict", "--db", shop), 2)
    assert "exclude" in complaint(quorum("verdict", "--db", shop, "right", "--undo"), 2)
    ask(shop)
    both = complaint(quorum("verdict", "--db", shop, "right", "--sql", "SELECT 1"), 2)
    assert "needs no --sql" in both
    unknown = complaint(quorum("verdict", "--db", shop, "right", "--answer", "x"), 2)
    assert "Unknown answer 'x'" in unknown
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (a)")
    assert "Nothing was asked" in complaint(quorum("verdict", "--db", other, "right"), 2)


def test_history_that_cannot_be_written_costs_no_answer(shop: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    finished = quorum(
        "ask", "--db", shop, "--json", "How many customers?", script=SCRIPT, cwd=tmp_path,
        env={"QUORUM_HOME": str(blocked)},
    )  # fmt: skip
    assert parsed(finished)["rows"] == [[6]]


def test_what_an_answer_would_be_shown_with_is_by_the_selector_that_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Databases differ by another spread for each selector, so verdicts shift by another amount."""
    for selector, spread in (("vote", 0.1), ("trained", 1.5)):
        known = replace(fit([0.2, 0.9], [False, True]), spread=spread)
        save(known, tmp_path / "calibration.json", of=selector)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    store = VerdictStore(tmp_path / "verdicts.jsonl")
    for number in range(8):
        store.add(
            Verdict(
                at="2026-11-29T00:00:00Z", who="ana", question="?", sql="SELECT 1",
                confidence=0.7, right=False, id=str(number),
            )
        )  # fmt: skip
    shown = {}
    for selector in ("vote", "trained"):
        history = History(tmp_path / "history.jsonl")
        records = _Records(who="ana", selector=selector, history=history, verdicts=store)
        shown[selector] = _summary(records)["seventy_becomes"]
    assert shown["trained"] < 0.4 < 0.65 < shown["vote"]
