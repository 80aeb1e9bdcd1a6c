"""A fast generator answers alone where that is enough; verdicts teach whom to trust."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorumsql.api import connect
from quorumsql.config import load_settings
from quorumsql.db import open_database
from quorumsql.domain import Answer, Choice, Group, Question
from quorumsql.errors import ConfigError, ModelError
from quorumsql.pipeline import Pipeline, Policy
from quorumsql.ports import Database, Generator
from quorumsql.said import trust_of_verdicts, votes_for
from quorumsql.stages.cascade import (
    FEATURES,
    Cascade,
    features,
    fit_cascade,
    load_cascade,
    save_cascade,
)
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.stores.verdicts import Verdict
from quorumsql.trace import StageStarted, Trace
from scripted import Broken, Scripted


def choice(*votes: float, rule: str = "vote") -> Choice:
    groups = tuple(Group(members=(n,), votes=vote) for n, vote in enumerate(votes))
    return Choice(candidate=0, groups=groups, confidence=votes[0], rule=rule)  # type: ignore[arg-type]


def fitted(going_on: float = 0.3) -> tuple[Cascade, list[tuple[float, ...]]]:
    """Fitted on questions where the others mend what has a small lead, and nothing else."""
    draw = random.Random(5)
    rows, alone, shares = [], [], []
    for _ in range(400):
        share = draw.uniform(0.3, 1.0)
        rows.append(features(choice(share, 1 - share), empty=False))
        alone.append(draw.random() < share)
        shares.append(share)
    together = [True] * len(rows)
    made = fit_cascade(
        "fast", rows, alone=alone, together=together, shares=shares, going_on=going_on
    )
    return made, rows


def test_what_the_stop_rule_looks_at() -> None:
    found = dict(zip(FEATURES, features(choice(0.5, 0.3, 0.2), empty=True), strict=True))
    assert found["share"] == 0.5
    assert found["margin"] == pytest.approx(0.2)
    assert found["groups"] == pytest.approx(1.0986, abs=1e-3)
    assert (found["empty"], found["unanimous"]) == (1.0, 0.0)
    beaten = dict(zip(FEATURES, features(choice(0.3, 0.7), empty=False), strict=True))
    assert beaten["margin"] == pytest.approx(-0.4)
    assert len(features(Choice(candidate=None), empty=False)) == len(FEATURES)


def test_it_goes_on_where_a_gain_is_likely_and_not_more_often_than_wanted() -> None:
    cascade, rows = fitted(going_on=0.3)
    assert cascade.gain(choice(0.4, 0.6), empty=False) > 0.4
    assert cascade.gain(choice(0.99, 0.01), empty=False) < 0.15
    going = [not cascade.stops(choice(row[0], 1 - row[0]), empty=False) for row in rows]
    assert sum(going) <= 0.3 * len(rows)
    assert sum(going) >= 0.25 * len(rows)
    assert not cascade.stops(Choice(candidate=None), empty=False)


def test_a_threshold_on_confidence_replaces_the_rule() -> None:
    cascade, _ = fitted()
    sure, unsure = choice(0.95, 0.05), choice(0.5, 0.5)
    assert cascade.confidence(sure) > 0.8 > 0.6 > cascade.confidence(unsure)
    assert cascade.stops(sure, empty=False, below=0.7)
    assert not cascade.stops(unsure, empty=False, below=0.7)
    assert cascade.stops(unsure, empty=False, below=0.0)


def test_a_cascade_is_kept_in_a_file(tmp_path: Path) -> None:
    cascade, _ = fitted()
    save_cascade(cascade, tmp_path / "cascade.json", about="a test")
    read = load_cascade(tmp_path / "cascade.json")
    assert read is not None
    assert dataclasses.replace(read, calibration=cascade.calibration) == cascade
    assert read.confidence(choice(0.6, 0.4)) == cascade.confidence(choice(0.6, 0.4))
    assert load_cascade(tmp_path / "none.json") is None
    (tmp_path / "cascade.json").write_text('{"first": "fast"}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"cascade\.json is not a cascade"):
        load_cascade(tmp_path / "cascade.json")


COUNT, NAMES = "SELECT count(*) FROM customer", "SELECT name FROM customer"


@pytest.fixture
def database(shop: Path) -> Iterator[Database]:
    opened = open_database(str(shop))
    yield opened
    opened.close()


def ask(
    database: Database,
    *generators: Generator,
    below: float | None = 0.8,
    first: str = "fast",
    trace: Trace | None = None,
) -> Answer:
    index = MemoryValueIndex.build(database, database.schema())
    cascade = dataclasses.replace(fitted()[0], first=first)
    pipeline = Pipeline(
        database=database,
        generators=generators,
        index=index,
        policy=Policy(cascade=below),
        cascade=cascade,
    )
    return pipeline.answer(Question(text="How many customers?"), trace=trace)


def test_a_sure_first_generator_answers_alone(database: Database) -> None:
    slow, fast = Scripted("slow", NAMES), Scripted("fast", COUNT)
    answer = ask(database, slow, fast)
    assert (answer.sql, len(answer.candidates)) == (COUNT, 1)
    assert slow.briefs == []
    assert 0.8 <= answer.confidence < 1.0  # its own calibration, not the share of its vote


def test_an_unsure_first_generator_is_joined_by_the_others(database: Database) -> None:
    fast = Scripted("fast", COUNT, NAMES, weights=[0.55, 0.45])
    slow, other = Scripted("slow", NAMES), Scripted("other", NAMES)
    trace = Trace()
    answer = ask(database, slow, fast, other, trace=trace)
    assert answer.sql == NAMES
    assert [one.generator for one in answer.candidates] == ["fast", "fast", "slow", "other"]
    stages = [event.stage for event in trace.events if isinstance(event, StageStarted)]
    assert stages.count("generate") == 2
    together = ask(database, slow, fast, other, first="nobody")
    assert {(c.generator, c.sql, c.weight) for c in together.candidates} == {
        (c.generator, c.sql, c.weight) for c in answer.candidates
    }
    assert together.confidence == answer.confidence


def test_statements_that_ran_do_not_run_again(database: Database) -> None:
    class Counting:
        def __init__(self) -> None:
            self.ran: list[str] = []

        def __getattr__(self, name: str) -> object:
            return getattr(database, name)

        def execute(self, sql: str, **limits: object) -> object:
            self.ran.append(sql)
            return database.execute(sql, **limits)  # type: ignore[arg-type]

    counting = Counting()
    fast = Scripted("fast", COUNT, NAMES, weights=[0.55, 0.45])
    ask(counting, fast, Scripted("slow", NAMES + " "))  # type: ignore[arg-type]
    assert sorted(counting.ran) == sorted([COUNT, NAMES])


def test_a_first_generator_that_fails_is_no_end(database: Database) -> None:
    answer = ask(database, Broken("fast"), Scripted("slow", COUNT))
    assert answer.sql == COUNT
    assert any("fast failed" in text for text in answer.warnings)
    with pytest.raises(ModelError):
        ask(database, Broken("fast"), Broken("slow"))


def test_one_generator_alone_needs_no_cascade(database: Database) -> None:
    answer = ask(database, Scripted("fast", COUNT, NAMES, weights=[0.55, 0.45]))
    assert answer.confidence == pytest.approx(0.55)


def test_answers_say_how_many_different_candidates_there_were(shop: Path) -> None:
    generators = [Scripted("a", COUNT), Scripted("b", NAMES), Scripted("c", NAMES)]
    with connect(str(shop), generators=generators) as connection:
        answer = connection.ask("How many customers?")
    assert 1.0 < answer.effective < 2.0
    assert votes_for(answer) == {"a": 0.0, "b": 1.0, "c": 1.0}


@pytest.mark.parametrize("value", ["auto", "off", 0.5, 0, "0.7"])
def test_the_cascade_can_be_set(value: object, tmp_path: Path) -> None:
    settings = load_settings(None, {"members": {"cascade": value}}, {"HOME": str(tmp_path)})
    assert settings.members.cascade == (0.7 if value == "0.7" else value)


@pytest.mark.parametrize("value", ["never", 1.5, -1])
def test_a_cascade_that_makes_no_sense_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"members\.cascade"):
        load_settings(None, {"members": {"cascade": value}}, {"HOME": str(tmp_path)})


def said(right: bool, **votes: float) -> Verdict:
    return Verdict(
        at="2026-11-29", who="ana", question="?", sql="SELECT 1", confidence=0.5, right=right,
        votes=votes,
    )  # fmt: skip


def test_verdicts_teach_whom_to_trust_once_there_are_enough() -> None:
    verdicts = [said(True, a=1.0, b=0.0)] * 4
    assert trust_of_verdicts(verdicts, "ab") == {}
    trust = trust_of_verdicts([*verdicts, said(False, a=0.0, b=1.0)], "ab")
    assert trust["a"] > 1.3 > 0.7 > trust["b"]
    assert trust_of_verdicts([said(True)] * 9, "ab") == {}


def test_verdicts_on_a_database_move_its_next_vote(shop: Path, tmp_path: Path) -> None:
    from quorumsql.config import database_home
    from quorumsql.said import VERDICTS
    from quorumsql.stores.verdicts import VerdictStore

    settings = load_settings(None, {"home": str(tmp_path / "home")}, {"HOME": str(tmp_path)})
    generators = [Scripted("a", COUNT), Scripted("b", NAMES)]

    def asked() -> str | None:
        with connect(str(shop), settings=settings, generators=generators) as connection:
            return connection.ask("How many customers?").sql

    assert asked() == COUNT
    store = VerdictStore(database_home(settings, str(shop)) / VERDICTS)
    for number in range(6):
        store.add(dataclasses.replace(said(False, a=1.0, b=0.0), id=str(number)))
    assert asked() == NAMES
