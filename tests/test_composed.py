"""What a search composed is what `quorum choose` applies, whoever the members are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command import complaint, quorum
from evals_cases import QUESTIONS
from quorumsql.domain import Choice, Question, Schema
from quorumsql.errors import UsageError
from quorumsql.evals.rating import Rater
from quorumsql.evals.tune import Composition, Plan, search
from quorumsql.evals.tune_write import composed, measured
from quorumsql.stages.composed import Composed, Kind, load_composed
from quorumsql.stages.weighted import rank_weights
from scripted import ran
from test_tune import LINES, random_pool, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


FOREIGN = {"embedded/columns": "résd sql", "embedded/plan": "c3-gpt", "embedded/tables": "din"}


@pytest.fixture
def foreign(folder: Path) -> Path:
    """The pool as systems that are no generators of ours wrote it."""
    lines = [
        {**line, "candidates": [
            {**one, "generator": FOREIGN[one["generator"]]} for one in line["candidates"]
        ]}
        for line in LINES
    ]  # fmt: skip
    (folder / "pool.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    return folder


def test_what_was_found_for_systems_of_others_can_be_chosen_by(foreign: Path) -> None:
    settings = foreign / "tuned/quorum.toml"
    settings.parent.mkdir()
    settings.write_text("# Written by quorum tune from something else.\n", encoding="utf-8")
    arguments = ["--pool", "pool.jsonl", "--db-dir", "database"]
    done = quorum("tune", *arguments, "--gold", "questions.json", "--out", "tuned", cwd=foreign)
    assert done.returncode == 0, done.stderr
    assert "quorum choose --composition tuned/composition.json" in done.stderr
    assert not settings.exists(), "settings without a generator would say nothing"
    found = load_composed(foreign / "tuned/composition.json")
    assert found.members == ("résd sql",)
    by_it = ["--composition", "tuned/composition.json", "--out", "chosen.jsonl"]
    done = quorum("choose", *arguments, *by_it, cwd=foreign)
    assert done.returncode == 0, done.stderr
    written = (foreign / "chosen.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(one)["sql"] for one in written] == [gold for _, _, gold in QUESTIONS]
    assert {json.loads(one)["generator"] for one in written} == {"résd sql"}


def test_what_somebody_else_keeps_as_settings_is_left(foreign: Path) -> None:
    settings = foreign / "tuned/quorum.toml"
    settings.parent.mkdir()
    settings.write_text('effort = "high"\n', encoding="utf-8")
    done = quorum(
        *("tune", "--pool", "pool.jsonl", "--db-dir", "database", "--out", "tuned"), cwd=foreign
    )
    assert done.returncode == 0, done.stderr
    assert settings.read_text(encoding="utf-8") == 'effort = "high"\n'


def composed_choice(one: Composed, *sqls: tuple[str, str, int]) -> tuple[str, Choice]:
    pool = [ran(sql, (value,), generator=name) for name, sql, value in sqls]
    choice = one.choose(Question(text="?"), pool, Schema(name="x"))
    assert choice.candidate is not None
    return pool[choice.candidate].generator, choice


def test_a_composition_hears_its_members_alone() -> None:
    pool = [
        ("x", "SELECT 1", 1),
        ("y", "SELECT 01", 1),
        ("b", "SELECT 22", 2),
        ("a", "SELECT 3", 3),
    ]
    plain = Composed(members=("a", "b"), selector="majority")
    assert composed_choice(plain, *pool)[0] == "a"
    weighed = replace(plain, selector="gem", weights={"a": 0.2, "b": 0.8})
    name, choice = composed_choice(weighed, *pool)
    assert name == "b" and choice.confidence == pytest.approx(0.8)
    assert len(choice.groups) == 2
    asked_first = Composed(members=("b", "x", "y"), selector="cascade", risk=0.25)
    assert composed_choice(asked_first, *pool)[0] == "b"
    assert composed_choice(replace(asked_first, risk=0.1), *pool)[0] == "x"
    strangers = Composed(members=("nobody",), selector="cascade", risk=0.1)
    assert composed_choice(strangers, *pool)[0] == "x"


@pytest.mark.parametrize("selector", ["majority", "weighted", "gem", "cascade"])
def test_a_composition_chooses_what_it_was_rated_by(selector: Kind) -> None:
    pool = random_pool(6, 120, seed=4)
    rater = Rater(pool)
    front = search(rater, Plan())
    known = measured(front, rater)
    names = front.ranked[:5]
    part = np.isin(pool.names, names)
    weights = {"weighted": rank_weights(known.ranks), "gem": known.gem}.get(selector, {})
    votes = np.array([weights.get(name, 1.0) for name in pool.names]) * part
    order = np.array([pool.names.index(name) for name in names])
    rated = rater.cascade(order, 0.1).winners if selector == "cascade" else rater.winners(votes)
    one = Composition(
        members=names, selector=selector, risk=0.1, accuracy=0.0, calls=0.0, latency=0.0
    )
    by_it = composed(one, known)
    for row, winner in zip(pool.groups, rated, strict=True):
        # as the pool by hand has it, who stands first has the shortest statement
        sqls = [
            (n, f"SELECT {'0' * i}{g}", int(g))
            for i, (n, g) in enumerate(zip(pool.names, row, strict=True))
        ]
        heard = [each for each in sqls if each[0] in names]
        name, _ = composed_choice(by_it, *heard)
        assert row[pool.names.index(name)] == winner


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "is no composition, as quorum tune writes"),
        ('{"members": []}', "selector: Field required"),
        ('{"members": [], "selector": "majority"}', "'members' is empty"),
        ('{"members": ["a", "a"], "selector": "majority"}', "named twice"),
        ('{"members": ["a"], "selector": "cascade"}', "needs a 'risk' between 0 and 1"),
        ('{"members": ["a"], "selector": "gem"}', "'weights' lacks 'a'"),
        ('{"members": ["a"], "selector": "gem", "weights": {"a": -1}}', "not negative"),
    ],
)
def test_a_file_that_is_no_composition_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"c\.json: ") as said:
        load_composed(tmp_path / "c.json")
    assert words in str(said.value)


def test_a_composition_and_a_method_exclude_each_other(folder: Path) -> None:
    arguments = ["choose", "--pool", "pool.jsonl", "--db-dir", "database", "--out", "o.jsonl"]
    done = quorum(*arguments, "--composition", "c.json", "--method", "majority", cwd=folder)
    assert "leave --method and --weights out" in complaint(done, 2)


def test_a_line_without_any_member_keeps_its_choice(folder: Path) -> None:
    text = '{"members": ["embedded/plan", "nobody"], "selector": "cascade", "risk": 0.1}'
    (folder / "c.json").write_text(text, encoding="utf-8")
    stranger = {**LINES[0], "candidates": [{"generator": "new", "sql": "SELECT 1"}]}
    lines = "".join(json.dumps(line) + "\n" for line in (LINES[0], stranger))
    (folder / "pool.jsonl").write_text(lines, encoding="utf-8")
    arguments = ["choose", "--pool", "pool.jsonl", "--db-dir", "database", "--out", "o.jsonl"]
    done = quorum(*arguments, "--composition", "c.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "pool.jsonl:2: no candidate of the composition's members" in done.stderr
    written = [json.loads(one) for one in (folder / "o.jsonl").read_text("utf-8").splitlines()]
    assert [one["sql"] for one in written] == ["SELECT 0", "SELECT 1"]
