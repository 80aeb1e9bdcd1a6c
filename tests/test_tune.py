"""Ensembles composed from recorded pools: known pools have known fronts."""

from __future__ import annotations

import itertools
import json
import random
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from command import complaint, quorum
from evals_cases import QUESTIONS, Scripted, make_benchmark
from quorumsql.config import load_settings
from quorumsql.domain import Column, Schema, Table
from quorumsql.errors import ConfigError, UsageError
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.rating import Rater, family
from quorumsql.evals.recorded import Recorded, of_run, read_gold, record_pool
from quorumsql.evals.run import evaluate
from quorumsql.evals.tune import Composition, Front, Plan, chosen, halves, search, shrunk
from quorumsql.evals.tune_transfer import likeness, members_for
from quorumsql.evals.tune_write import as_toml, drawn
from quorumsql.stages.composed import lead_is_safe
from quorumsql.stages.weighted import Measured, load_measured


def recorded(
    names: Sequence[str],
    rows: Sequence[Sequence[int]],
    *,
    right: Sequence[int] | None = None,
    databases: Sequence[str] = (),
) -> Recorded:
    """A pool by hand: per question the group of each member, and the number of the right group."""
    groups = np.array(rows, dtype=np.int64)
    wanted = None if right is None else groups == np.array(right)[:, None]
    return Recorded(
        names=tuple(names),
        db_ids=tuple(databases) or ("one",) * len(groups),
        groups=groups,
        places=np.tile(np.arange(len(names)), (len(groups), 1)),
        empty=np.zeros(groups.shape, dtype=bool),
        right=wanted,
    )


VOTES = recorded(
    ["a", "b", "c", "d"],
    [[0, 0, 1, -1], [0, 1, 1, 1], [0, 1, 2, 2], [0, 1, -1, -1], [-1, -1, -1, -1]],
    right=[0, 0, 2, 1, 0],
)


def flags(text: str) -> Any:
    return np.array([float(letter == "x") for letter in text])


def test_a_vote_picks_the_largest_group_and_the_shortest_of_equals() -> None:
    rater = Rater(VOTES)
    assert rater.winners(flags("xxxx")).tolist() == [0, 1, 2, 0, -1]
    assert rater.winners(flags(".x..")).tolist() == [0, 1, 1, 1, -1]
    assert rater.winners(flags(".xx.")).tolist() == [0, 1, 1, 1, -1]
    assert rater.winners(np.array([3.5, 1.0, 1.0, 1.0])).tolist() == [0, 0, 0, 0, -1]
    assert rater.rate(flags("xxxx")) == pytest.approx(2 / 5)
    assert rater.singles().tolist() == pytest.approx([2 / 5, 2 / 5, 1 / 5, 1 / 5])


def test_a_result_with_rows_wins_against_an_empty_one_with_as_many_votes() -> None:
    empty = np.zeros(VOTES.groups.shape, dtype=bool)
    empty[3, 0] = True
    assert Rater(replace(VOTES, empty=empty)).winners(flags("xxxx"))[3] == 1


@pytest.mark.parametrize(
    ("first", "second", "risk", "safe"),
    [(1, 0, 0.25, True), (1, 0, 0.2, False), (4, 0, 0.04, True), (4, 0, 0.03, False),
     (3, 3, 1.0, False), (9, 1, 0.01, True), (0, 0, 0.5, False)],
)  # fmt: skip
def test_a_lead_is_safe_when_it_is_unlikely_to_be_lost(
    first: int, second: int, risk: float, safe: bool
) -> None:
    assert lead_is_safe(first, second, risk) is safe


def test_a_cascade_asks_until_the_lead_is_safe() -> None:
    rater = Rater(VOTES)
    order = np.arange(4)
    sure = rater.cascade(order, 0.25)
    assert sure.calls.tolist() == [1, 1, 1, 1, 4]
    assert sure.winners.tolist() == [0, 0, 0, 0, -1]
    never = rater.cascade(order, 0.0)
    assert never.calls.tolist() == [4] * 5
    assert never.winners.tolist() == rater.winners(flags("xxxx")).tolist()
    assert rater.cascade(order, 0.125).calls.tolist() == [2, 4, 4, 4, 4]


def test_clones_do_not_teach_each_other() -> None:
    assert [family(n) for n in ("codes-15b", "CodeS-1b", "embedded/plan", "icl#2")] == [
        *("codes", "codes", "embedded", "icl")
    ]
    names = ["clone-1", "clone-2", "clone-3", "other", "third"]
    pool = recorded(names, [[0, 0, 0, 1, 1]])
    assert Rater(pool).winners(np.ones(5)).tolist() == [0]
    assert Rater(pool).taught.tolist() == [[0.0, 0.5]]
    assert Rater(pool).singles().tolist() == [0.0, 0.0, 0.0, 0.5, 0.5]
    assert Rater(pool).gem()[3] > Rater(pool).gem()[0]


def test_shrinking_drops_the_clone_before_the_one_that_differs() -> None:
    rows = [[0, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]]
    pool = recorded(["a", "a-copy", "z"], rows, right=[0, 1, 0, 0])
    kept = shrunk(Rater(pool), 2)
    assert kept[2]
    assert kept.sum() == 2


def random_pool(members: int, questions: int, seed: int) -> Recorded:
    """Members of falling quality that are wrong each in its own way."""
    draw = random.Random(seed)
    rows, right = [], []
    for _ in range(questions):
        row = [
            0 if draw.random() < 0.9 - 0.04 * m else 1 + draw.randrange(6) for m in range(members)
        ]
        rows.append(row)
        right.append(0)
    return recorded(
        [f"{chr(97 + m)}{m}" for m in range(members)],
        rows,
        right=right,
        databases=[f"db{n % 8}" for n in range(questions)],
    )


def beats(one: Composition, other: Composition) -> bool:
    costs = [(-c.accuracy, c.calls, c.latency) for c in (one, other)]
    return costs[0] != costs[1] and all(a <= b for a, b in zip(*costs, strict=True))


@pytest.mark.parametrize("members", [6, 14])
def test_nothing_on_the_front_is_beaten_and_all_ends_of_it_are_there(members: int) -> None:
    pool = random_pool(members, 160, seed=members)
    apart = halves(pool)
    assert apart is not None
    rater = Rater(pool.only(apart))
    front = search(rater, Plan(most=14), unseen=Rater(pool.only(~apart)))
    assert not any(beats(a, b) for a, b in itertools.permutations(front.compositions, 2))
    cheapest, best = front.compositions[0], max(front.compositions, key=lambda c: c.accuracy)
    assert (cheapest.calls, cheapest.selector) == (1.0, "majority")
    assert cheapest.members == (front.ranked[0],)
    assert best.accuracy > cheapest.accuracy
    assert best.accuracy >= rater.rate(np.ones(members))
    assert all(one.held_out is not None for one in front.compositions)
    assert any(one.selector == "cascade" for one in front.compositions)
    assert front.rated >= 2**members - 1 if members <= 12 else front.rated > 200


def test_a_search_is_repeatable_and_knows_latency() -> None:
    pool = random_pool(13, 60, seed=1)
    fronts = [search(Rater(pool), Plan(latency_ms={"a0": 900.0})) for _ in range(2)]
    assert fronts[0] == fronts[1]
    assert any("a0" not in one.members for one in fronts[0].compositions)
    assert all(one.latency >= 1.0 for one in fronts[0].compositions)


def test_the_choice_is_the_cheapest_within_the_margin() -> None:
    def one(accuracy: float, calls: float) -> Composition:
        return Composition(
            members=("a",), selector="majority", accuracy=accuracy, calls=calls, latency=1.0
        )

    front = Front(compositions=(one(0.8, 1), one(0.89, 3), one(0.9, 9)), ranked=("a",), rated=3)
    assert chosen(front, within=0.0).calls == 9
    assert chosen(front, within=0.01).calls == 3
    assert chosen(front, within=0.0, calls=4).calls == 3
    assert chosen(front, within=0.2).calls == 1
    assert chosen(front, within=0.0, calls=0.5).calls == 1


def test_a_composition_becomes_configuration(tmp_path: Path) -> None:
    one = Composition(
        members=("embedded/plan", "direct", "c3-gpt35"),
        selector="gem",
        accuracy=0.9,
        calls=3.0,
        latency=1.0,
    )
    known = Measured(ranks={"direct": 0}, gem={"embedded/plan": 0.25, "direct": 0.75})
    text = as_toml(one, known, about="a pool\nof mine")
    assert "# Not generators of quorum: c3-gpt35." in text
    assert tomllib.loads(text)["generators"] == ["embedded/plan", "direct"]
    (tmp_path / "quorum.toml").write_text(text, encoding="utf-8")
    settings = load_settings(tmp_path / "quorum.toml", environ={"HOME": str(tmp_path)})
    assert settings.generators == ("embedded/plan", "direct")
    assert settings.trust == {"embedded/plan": 0.5, "direct": 1.5}
    both = replace(one, members=("embedded/plan", "embedded/columns"), selector="cascade", risk=0.1)
    assert tomllib.loads(as_toml(both, known, about="x"))["members"] == {"cascade": "auto"}
    none = as_toml(replace(one, members=("c3-gpt35",)), known, about="x")
    assert tomllib.loads(none) == {}


def test_the_picture_is_self_contained_and_well_formed() -> None:
    front = search(Rater(random_pool(5, 40, seed=3)), Plan()).compositions
    odd = [replace(front[0], members=("<script>&",)), *front[1:]]
    text = drawn(odd, odd[0], judged=True)
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    titles = [e.text or "" for e in root.iter() if e.tag.endswith("title")]
    assert len(titles) == len(front)
    assert any("<script>&" in words for words in titles)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert drawn(front[:1], front[0], judged=False).count("<circle") >= 2


def schema(name: str, **tables: str) -> Schema:
    made = (
        Table(name=table, columns=tuple(Column(name=c) for c in columns.split()))
        for table, columns in tables.items()
    )
    return Schema(name=name, tables=tuple(made))


def test_members_for_a_new_database_come_from_databases_like_it() -> None:
    known = {
        "flights": schema("flights", flight="id airline origin", airport="code city"),
        "school": schema("school", student="id name grade", teacher="id name"),
    }
    new = schema("aviation", airport="code name", flight="airline destination")
    alike = likeness(known, new)
    assert alike["flights"] > 0.25 > alike["school"]
    assert likeness(known, schema("empty")) == {"flights": 0.0, "school": 0.0}
    pool = recorded(
        ["pilot", "teacher", "twin"],
        [[0, 1, 0], [0, 1, 0], [1, 0, 1], [1, 0, 1]],
        right=[0, 0, 0, 0],
        databases=["flights", "flights", "school", "school"],
    )
    assert members_for(Rater(pool), alike, 1) == ("twin",)
    assert members_for(Rater(pool), {"school": 1.0}, 1) == ("teacher",)
    assert members_for(Rater(pool), alike, 2, cohesion=2.0) == ("twin", "pilot")
    assert members_for(Rater(pool), alike, 2, cohesion=-2.0) == ("twin", "teacher")
    assert len(members_for(Rater(pool), {}, 9)) == 3


LINES: list[dict[str, Any]] = [
    {
        "id": f"q-{place}",
        "db_id": db,
        "question": question,
        "candidates": [
            {"generator": "embedded/columns", "sql": gold},
            {"generator": "embedded/plan", "sql": gold if place % 2 else "SELECT 0"},
            {"generator": "embedded/tables", "sql": "SELECT nome"},
        ],
    }
    for place, (db, question, gold) in enumerate(QUESTIONS)
]


def write_folder(path: Path) -> Path:
    """A small benchmark and a pool about it."""
    make_benchmark(path)
    lines = "".join(json.dumps(line) + "\n" for line in LINES)
    (path / "pool.jsonl").write_text(lines, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


def test_a_pool_is_recorded_once_and_goes_on_where_it_was(folder: Path) -> None:
    out, ticks = folder / "recorded.jsonl", []
    gold = read_gold(folder / "questions.json")
    arguments: dict[str, Any] = {"databases": folder / "database", "out": out, "gold": gold}
    found, problems = record_pool(folder / "pool.jsonl", **arguments, watch=lambda: ticks.append(1))
    assert problems == ()
    assert len(ticks) == len(LINES)
    assert found.right is not None
    assert found.right.sum(axis=0).tolist() == [6, 3, 0]
    assert found.groups[0].tolist() == [1, 0, -1]  # the shortest statement is first
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:3]) + lines[3][:10])
    again, _ = record_pool(folder / "pool.jsonl", **arguments)
    assert out.read_bytes() == whole
    assert (again.groups == found.groups).all()


@pytest.mark.parametrize("text", ["something else\n", "no line at all", '{"config": {}}\n{}\n{"a'])
def test_a_file_that_is_no_recording_of_the_pool_is_left_alone(folder: Path, text: str) -> None:
    out = folder / "recorded.jsonl"
    out.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="remove it to start over"):
        record_pool(folder / "pool.jsonl", databases=folder / "database", out=out)
    assert out.read_text(encoding="utf-8") == text


def test_a_recording_of_another_pool_is_left_alone(folder: Path) -> None:
    arguments: dict[str, Any] = {
        "databases": folder / "database", "out": folder / "recorded.jsonl",
    }  # fmt: skip
    record_pool(folder / "pool.jsonl", **arguments)
    whole = (folder / "recorded.jsonl").read_bytes()
    other = "".join(json.dumps(line) + "\n" for line in LINES[1:])
    (folder / "other.jsonl").write_text(other, encoding="utf-8")
    with pytest.raises(ConfigError, match="other questions or settings"):
        record_pool(folder / "other.jsonl", **arguments)
    assert (folder / "recorded.jsonl").read_bytes() == whole


def test_gold_may_come_later_and_is_not_lost_when_it_goes(folder: Path) -> None:
    arguments: dict[str, Any] = {
        "databases": folder / "database", "out": folder / "recorded.jsonl",
    }  # fmt: skip
    gold = read_gold(folder / "questions.json")
    without, _ = record_pool(folder / "pool.jsonl", **arguments)
    assert without.right is None
    judged, _ = record_pool(folder / "pool.jsonl", **arguments, gold=gold)
    whole = (folder / "recorded.jsonl").read_bytes()
    again, _ = record_pool(folder / "pool.jsonl", **arguments)
    assert again.right is None and (again.groups == without.groups).all()
    once_more, _ = record_pool(folder / "pool.jsonl", **arguments, gold=gold)
    assert judged.right is not None and once_more.right is not None
    assert (once_more.right == judged.right).all() and judged.right.any()
    assert (folder / "recorded.jsonl").read_bytes() == whole


@pytest.mark.parametrize("damaged", [b"\xff{\n", b"{}\n", b'{"line": 2, "groups": {}}\n'])
def test_a_damaged_line_costs_itself_and_not_the_recording(folder: Path, damaged: bytes) -> None:
    out = folder / "recorded.jsonl"
    arguments: dict[str, Any] = {"databases": folder / "database", "out": out}
    record_pool(folder / "pool.jsonl", **arguments)
    head, first, second, *rest = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join([head, first, damaged, *rest]))
    with pytest.raises(ConfigError, match=r"recorded\.jsonl:3: is no .* remove the line"):
        record_pool(folder / "pool.jsonl", **arguments)
    out.write_bytes(b"".join([head, first, *rest]))
    record_pool(folder / "pool.jsonl", **arguments)
    assert out.read_bytes() == b"".join([head, first, *rest, second])


def test_two_processes_do_not_record_to_one_file(folder: Path) -> None:
    arguments: dict[str, Any] = {
        "databases": folder / "database", "out": folder / "recorded.jsonl",
    }  # fmt: skip
    seen: list[bytes] = []

    def second() -> None:
        with pytest.raises(UsageError, match="another process is writing"):
            record_pool(folder / "pool.jsonl", **arguments)
        seen.append((folder / "recorded.jsonl").read_bytes())

    record_pool(folder / "pool.jsonl", **arguments, watch=second)
    assert len(seen) == len(LINES)
    assert [text.count(b"\n") for text in seen] == list(range(2, len(LINES) + 2))


def test_lines_that_cannot_be_used_are_told(folder: Path) -> None:
    bad = [
        {**LINES[0], "db_id": "nowhere"},
        {**LINES[0], "id": "q-99"},
        {**LINES[0], "candidates": []},
        LINES[1],
    ]
    pool = folder / "pool.jsonl"
    pool.write_text("".join(json.dumps(line) + "\n" for line in bad) + "{torn\n", encoding="utf-8")
    gold = read_gold(folder / "questions.json")
    arguments: dict[str, Any] = {"databases": folder / "database", "gold": gold}
    found, problems = record_pool(pool, out=folder / "r.jsonl", **arguments)
    assert len(found.db_ids) == 1
    assert [number for number, _ in problems] == [1, 2, 3, 5]
    assert "no gold for id 'q-99'" in problems[1][1]
    pool.write_text(json.dumps(bad[2]) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no question in it can be used"):
        record_pool(pool, out=folder / "other.jsonl", **arguments)


def test_a_run_is_a_recorded_pool(folder: Path) -> None:
    tasks = load_spider(folder / "questions.json", folder / "database")
    evaluate(tasks, Scripted(), out=folder / "run", config={"benchmark": "tiny"})
    found = of_run(folder / "run")
    assert found.names == ("embedded/a", "embedded/b")
    assert found.right is not None
    assert found.right.tolist() == [
        *([True, True], [False, False], [False, True], [True, False], [False, False], [True, False])
    ]
    with pytest.raises(UsageError, match="no run of quorum eval"):
        of_run(folder)


def test_the_command_writes_what_ask_reads(folder: Path) -> None:
    out = folder / "tuned"
    arguments = ["tune", "--pool", "pool.jsonl", "--db-dir", "database", "--out", "tuned"]
    done = quorum(*arguments, "--gold", "questions.json", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["judged_by"] == "gold"
    assert record["chosen"]["members"] == ["embedded/columns"]
    assert load_measured(out / "weights.json").ranks["embedded/columns"] == 0
    assert 'generators = ["embedded/columns"]' in (out / "quorum.toml").read_text("utf-8")
    ElementTree.parse(out / "front.svg")
    done = quorum(*arguments, cwd=folder)  # without gold, the others teach
    assert done.returncode == 0, done.stderr
    assert "consensus" in done.stdout
    asked = quorum(
        *("ask", "--db", "database/pets/pets.sqlite", "How many pets?"),
        *("--config", "tuned/nothing.toml"),
        cwd=folder,
    )
    assert "There is no configuration file" in complaint(asked, 2)


def test_the_command_names_members_for_a_new_database(folder: Path) -> None:
    done = quorum(
        *("tune", "--pool", "pool.jsonl", "--db-dir", "database", "--out", "tuned"),
        *("--gold", "questions.json", "--for-db", "database/pets/pets.sqlite", "--members", "2"),
        "--json",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["members"] == ["embedded/columns", "embedded/plan"]
    assert record["like"]["pets"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give either --pool FILE with --db-dir DIR, or --run DIR."),
        (["--pool", "pool.jsonl"], "give the folder of its databases with --db-dir"),
        (["--pool", "none.jsonl", "--db-dir", "database"], "none.jsonl: cannot be read"),
        (["--run", "nowhere"], "no run of quorum eval"),
        (["--pool", "pool.jsonl", "--db-dir", "database", "--latency", "pool.jsonl"], "expected {"),
        (["--pool", "pool.jsonl", "--db-dir", "database", "--gold", "no.json"], "no.json: cannot"),
    ],
)
def test_the_command_says_what_to_fix(folder: Path, arguments: list[str], words: str) -> None:
    assert words in complaint(quorum("tune", "--out", "tuned", *arguments, cwd=folder), 2)
