"""A fast generator answers alone where that is enough; verdicts teach whom to trust."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from quorumsql.api import connect
from quorumsql.config import load_settings
from quorumsql.db import open_database
from quorumsql.domain import Answer, Attempt, Candidate, Choice, Group, Question, Schema
from quorumsql.errors import ConfigError, ModelError
from quorumsql.pipeline import Pipeline, Policy
from quorumsql.ports import Database, Generator
from quorumsql.said import trust_of_verdicts, votes_for
from quorumsql.shipped import FIRST, shipped_calibration, shipped_cascade
from quorumsql.stages.calibrate import Calibration
from quorumsql.stages.cascade import (
    Cascade,
    Known,
    Step,
    fit_cascade,
    load_cascade,
    save_cascade,
    stopped,
    thresholds,
)
from quorumsql.stages.evidence import FEATURES, Line, features
from quorumsql.stages.overlap import NOTHING
from quorumsql.stages.reread import Remembered
from quorumsql.stages.weigh import Weigher, Weights
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.stores.verdicts import Verdict
from quorumsql.trace import StageStarted, Trace
from scripted import Broken, Scripted


def choice(*votes: float, rule: str = "vote") -> Choice:
    groups = tuple(Group(members=(n,), votes=vote) for n, vote in enumerate(votes))
    return Choice(candidate=0, groups=groups, confidence=votes[0], rule=rule)  # type: ignore[arg-type]


def fitted(*going_on: float, order: tuple[str, ...] = ("fast", "slow")) -> Cascade:
    """Fitted on questions whose share is the chance that the first choice is right."""
    draw = random.Random(5)
    shares = [draw.uniform(0.3, 1.0) for _ in range(600)]
    rows = [features(choice(share, 1 - share), empty=False) for share in shares]
    known = Known(rows, [draw.random() < share for share in shares])
    later = Known(rows, [draw.random() < (share + 1) / 2 for share in shares])
    steps = [known, later][: len(order) - 1]
    databases = [number % 20 for number in range(600)]
    return fit_cascade(order, steps, going_on=going_on or (0.3,), databases=databases)


def of(*votes: float) -> tuple[Choice, dict[str, float]]:
    made = choice(*votes)
    return made, features(made, empty=False)


def test_what_confidence_and_cascades_look_at() -> None:
    found = features(choice(0.5, 0.3, 0.2), empty=True)
    assert tuple(found) == FEATURES
    assert found["share"] == 0.5 and found["chance"] == pytest.approx(0.0)
    assert found["margin"] == pytest.approx(0.2)
    assert found["groups"] == pytest.approx(1.0986, abs=1e-3)
    assert (found["empty"], found["unanimous"], found["judged"]) == (1.0, 0.0, 0.0)
    assert (found["read"], found["rival"]) == (0.0, 0.0)
    beaten = features(choice(0.3, 0.7, rule="judged"), empty=False, read=(1.5, -2.0))
    assert beaten["margin"] == pytest.approx(-0.4)
    assert (beaten["read"], beaten["rival"], beaten["judged"]) == (1.5, -2.0, 1.0)
    alone = features(choice(1.0), empty=False, read=(float("inf"),))
    assert (alone["read"], alone["rival"]) == (8.0, -8.0)
    assert set(features(Choice(candidate=None), empty=False)) == set(FEATURES)


def test_it_goes_on_where_it_is_unsure_and_not_more_often_than_wanted() -> None:
    cascade = fitted(0.3)
    (step,) = cascade.steps
    going = [not step.stops(*of(n / 200, 1 - n / 200)) for n in range(60, 200)]
    assert going == sorted(going, reverse=True)
    assert 0.25 < sum(going) / len(going) < 0.35
    assert not step.stops(Choice(candidate=None), of(0.9, 0.1)[1])
    assert cascade.calls == pytest.approx((1 + 0.3) / 2)


def test_a_second_step_has_its_own_share_and_its_own_calibration() -> None:
    cascade = fitted(0.4, 0.1, order=("fast", "slow", "last"))
    first, second = cascade.steps
    unsure = of(0.5, 0.5)
    assert not first.stops(*unsure) and second.stops(*unsure)
    assert not second.stops(*of(0.31, 0.69))
    assert second.calibration.chance(*unsure) > first.calibration.chance(*unsure) + 0.1
    assert cascade.calls == pytest.approx((1 + 0.4 + 0.1) / 3)
    never = fitted(0.2, 0.0, order=("fast", "slow", "last")).steps[1]
    assert never.stops(*of(0.01, 0.99))


def test_thresholds_let_the_shares_through_that_were_asked_for() -> None:
    draw = np.random.default_rng(2)
    values = [draw.random(1_000), draw.random(1_000)]
    places = stopped(values, thresholds(values, (0.3, 0.1)))
    assert [int((places >= n).sum()) for n in (0, 1, 2)] == [1_000, 300, 100]
    assert (stopped(values, thresholds(values, (0.0, 0.0))) == 0).all()
    assert (stopped(values, thresholds(values, (1.0, 1.0))) == 2).all()


def test_a_threshold_on_confidence_replaces_the_rule() -> None:
    (step,) = fitted(0.0).steps
    sure, unsure = of(0.95, 0.05), of(0.5, 0.5)
    assert step.stops(*unsure)
    assert step.calibration.chance(*sure) > 0.8 > 0.6 > step.calibration.chance(*unsure)
    assert step.stops(*sure, least=0.7)
    assert not step.stops(*unsure, least=0.7)
    assert step.stops(*unsure, least=0.0)


def test_what_sql_leaves_out_lowers_confidence_and_asks_nobody() -> None:
    draw = random.Random(7)
    rows, right = [], []
    for _ in range(600):
        share, lost = draw.uniform(0.3, 1.0), float(draw.random() < 0.4)
        said = {**NOTHING, "unused": lost}
        rows.append(features(choice(share, 1 - share), empty=False, said=said))
        right.append(draw.random() < share - 0.4 * lost)
    databases = [number % 20 for number in range(600)]
    made = fit_cascade(("a", "b"), [Known(rows, right)], going_on=(0.3,), databases=databases)
    (step,) = made.steps
    found = choice(0.8, 0.2)
    whole = features(found, empty=False)
    missing = features(found, empty=False, said={**NOTHING, "unused": 1.0})
    assert step.calibration.chance(found, missing) < step.calibration.chance(found, whole) - 0.2
    assert step.stops(found, missing) == step.stops(found, whole)
    assert step.line is not None and step.line(missing) == step.line(whole)


def test_cascades_are_kept_in_a_file_one_per_selector(tmp_path: Path) -> None:
    cascade, file = fitted(), tmp_path / "cascade.json"
    save_cascade(dataclasses.replace(cascade, calls=0.5), file, about="a test", of="trained")
    save_cascade(cascade, file, about="a test")
    read = load_cascade(file)
    assert read is not None
    assert (read.order, read.calls) == (cascade.order, cascade.calls)
    (kept,), (made,) = read.steps, cascade.steps
    assert (kept.below, kept.calibration.line) == (made.below, made.calibration.line)
    assert kept.line == made.line is not None
    assert kept.calibration.chances == pytest.approx(made.calibration.chances, abs=1e-6)
    trained = load_cascade(file, "trained")
    assert trained is not None and trained.calls == 0.5
    assert load_cascade(tmp_path / "none.json") is None
    assert load_cascade(file, "nobody") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"order": ["fast", "slow"]}',
        '{"of": {"vote": {"order": ["fast"]}}}',
        '{"of": {"vote": {"order": ["fast", "slow"], "steps": [], "calls": 1}}}',
        '{"of": {"vote": {"order": ["a", "b"], "steps": [{"below": 1}], "calls": 1}}}',
        "[]",
        "{",
    ],
)
def test_a_file_that_holds_no_cascade_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "cascade.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"cascade\.json is not a cascade"):
        load_cascade(tmp_path / "cascade.json")


def test_the_package_ships_a_cascade_for_each_way_to_choose() -> None:
    for selector in ("vote", "signs", "trained"):
        shipped = shipped_cascade(selector)
        assert shipped is not None and shipped.calls <= 0.4, selector
        assert set(shipped.order) == set(shipped_calibration().ranks)
        assert shipped.order[0] == FIRST  # it tries more, since it may answer alone


def test_who_is_asked_alone_is_as_sure_as_it_was_measured_alone() -> None:
    for selector in ("vote", "signs", "trained"):
        shipped, whole = shipped_cascade(selector), shipped_calibration(selector)
        assert shipped is not None
        alone = shipped_calibration(selector, asked=[FIRST])
        assert (alone.line, alone.ranks) == (shipped.steps[0].calibration.line, whole.ranks)
        two = shipped_calibration(selector, asked=shipped.order[1::-1])
        assert two.line == shipped.steps[1].calibration.line
        for others in ((), shipped.order, shipped.order[1:2], ["model"]):
            assert shipped_calibration(selector, asked=others) == whole


def test_where_nobody_would_be_asked_second_only_the_first_is_loaded(shop: Path) -> None:
    settings = load_settings(overrides={"members": {"cascade": 0.0}})
    with connect(shop, settings=settings) as connection:
        assert [one.name for one in connection.load()] == [FIRST]
        fast = connection.ask("How many customers are there?")
    with connect(shop) as connection:
        assert len(connection.load()) == 3
        slow = connection.ask("How many customers are there?")
    assert {one.generator for one in fast.candidates} == {FIRST}
    assert fast.sql == slow.sql


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
    order: tuple[str, ...] = ("fast", "slow"),
    trace: Trace | None = None,
) -> Answer:
    index = MemoryValueIndex.build(database, database.schema())
    pipeline = Pipeline(
        database=database,
        generators=generators,
        index=index,
        policy=Policy(cascade=below),
        cascade=fitted(*[0.3] * (len(order) - 1), order=order),
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
    together = ask(database, slow, fast, other, order=("nobody", "slow"))
    assert {(c.generator, c.sql, c.weight) for c in together.candidates} == {
        (c.generator, c.sql, c.weight) for c in answer.candidates
    }
    assert together.confidence == answer.confidence


class Counting:
    """A reader that counts what it reads, and likes one statement."""

    def __init__(self, favourite: str) -> None:
        self.favourite = favourite
        self.read: list[str] = []

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        del question, schema
        self.read += [one.sql for one in candidates]
        return tuple(4.0 if one.sql == self.favourite else -4.0 for one in candidates)


def test_the_selector_chooses_among_what_the_first_generator_wrote(database: Database) -> None:
    reader = Counting(favourite=NAMES)
    remembered = Remembered(reader)
    weights = Weights(of={"log_share": 1.0, "best_read": 1.0})
    fast = Scripted("fast", COUNT, NAMES, weights=[0.9, 0.1])
    slow = Scripted("slow", COUNT, COUNT + " ")

    def asked(below: float) -> Answer:
        line = Line(features=("read",), means=(0.0,), scales=(1.0,), weights=(1.0,), intercept=0.0)
        step = Step(calibration=Calibration(line=line), below=below)
        rule = Cascade(order=("fast", "slow"), steps=(step,))
        pipeline = Pipeline(
            database=database,
            generators=(slow, fast),
            index=MemoryValueIndex.build(database, database.schema()),
            selector=Weigher(remembered, weights, ranks={}),
            reader=remembered,
            cascade=rule,
        )
        return pipeline.answer(Question(text="Who are the customers?"))

    alone = asked(below=0.97)  # what reads well enough stands
    assert (alone.sql, slow.briefs) == (NAMES, [])
    assert alone.choice.rule == "judged"
    assert sorted(reader.read) == sorted([COUNT, NAMES])
    reader.read.clear()
    together = asked(below=0.99)
    assert len(together.candidates) == 4
    assert sorted(reader.read) == sorted([COUNT, NAMES, COUNT + " "])  # each text once


def test_another_question_is_read_anew(database: Database) -> None:
    reader = Counting(favourite=COUNT)
    remembered, schema = Remembered(reader), database.schema()
    one = Candidate(
        generator="a", attempts=(Attempt(sql=COUNT, execution=database.execute(COUNT)),)
    )
    asked = Question(text="How many?")
    assert remembered.score(asked, [one, one], schema) == (4.0, 4.0)
    assert remembered.score(asked, [one], schema) == (4.0,)
    assert reader.read == [COUNT]
    remembered.score(Question(text="How many?"), [one], schema)
    assert reader.read == [COUNT, COUNT]


def test_generators_are_asked_one_after_another_while_it_is_unsure(database: Database) -> None:
    unsure = [Scripted(name, COUNT, NAMES, weights=[0.55, 0.45]) for name in ("fast", "slow")]
    last = [Scripted("last", COUNT), Scripted("beside", COUNT)]
    order = ("fast", "slow", "last")
    answer = ask(database, *last, *unsure, order=order, below=0.9)
    asked = list(dict.fromkeys(one.generator for one in answer.candidates))
    assert asked[:2] == ["fast", "slow"] and set(asked[2:]) == {"last", "beside"}
    sure = ask(database, *last, unsure[0], Scripted("slow", COUNT), order=order, below=0.8)
    assert {one.generator for one in sure.candidates} == {"fast", "slow"}


def test_what_was_chosen_stands_where_all_the_others_fail(database: Database) -> None:
    fast = Scripted("fast", COUNT, NAMES, weights=[0.55, 0.45])
    answer = ask(database, fast, Broken("slow"))
    assert answer.sql == COUNT
    assert any("slow failed" in text for text in answer.warnings)


def test_statements_that_ran_do_not_run_again(database: Database) -> None:
    class CountingDatabase:
        def __init__(self) -> None:
            self.ran: list[str] = []

        def __getattr__(self, name: str) -> object:
            return getattr(database, name)

        def execute(self, sql: str, **limits: object) -> object:
            self.ran.append(sql)
            return database.execute(sql, **limits)  # type: ignore[arg-type]

    counting = CountingDatabase()
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
