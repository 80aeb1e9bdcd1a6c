"""The whole way from a question to an answer, on the real shop, with scripted generators."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Answer, Limits, Question
from quorumsql.errors import ModelError, UsageError
from quorumsql.pipeline import Pipeline, Policy
from quorumsql.ports import Database, Generator
from quorumsql.stages.calibrate import Calibration
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.trace import Asked, Chosen, GeneratorLost, Linked, StageEnded, Trace
from scripted import Broken, Scripted

COUNT = "SELECT count(*) FROM customer"
NAMES = "SELECT name FROM customer"


@pytest.fixture
def database(shop: Path) -> Iterator[Database]:
    opened = open_database(str(shop))
    yield opened
    opened.close()


def pipeline(database: Database, *generators: Generator, policy: Policy | None = None) -> Pipeline:
    index = MemoryValueIndex.build(database, database.schema())
    return Pipeline(database=database, generators=generators, index=index, policy=policy)


def ask(
    database: Database,
    *generators: Generator,
    text: str = "How many customers are there?",
    policy: Policy | None = None,
    trace: Trace | None = None,
) -> Answer:
    return pipeline(database, *generators, policy=policy).answer(Question(text=text), trace=trace)


def test_a_unanimous_answer(database: Database) -> None:
    answer = ask(database, Scripted("a", COUNT), Scripted("b", "SELECT count(id) FROM customer"))
    assert (answer.sql, answer.rows, answer.confidence) == (COUNT, ((6,),), 1.0)
    assert not answer.abstained
    assert answer.reason is None
    assert answer.warnings == ()
    assert answer.choice.rule == "unanimous"
    assert list(answer.timings_ms) == ["schema", "retrieve", "link", "generate", "refine", "choose"]


def test_generators_see_the_schema_and_the_values_of_the_question(database: Database) -> None:
    one = Scripted("one", COUNT)
    answer = ask(database, one, text="  How many customers live in Porto?\n")
    (brief,) = one.briefs
    assert brief.question.text == "How many customers live in Porto?"
    assert brief.schema == database.schema()
    assert ("city", "name", "Porto") in [(h.table, h.column, h.value) for h in brief.hits]
    assert answer.hits == brief.hits


def test_the_vote_decides_and_the_disagreement_is_said(database: Database) -> None:
    answer = ask(
        database,
        Scripted("a", NAMES),
        Scripted("b", COUNT),
        Scripted("c", "SELECT count(id) FROM customer"),
    )
    assert answer.rows == ((6,),)
    assert answer.sql == "SELECT count(*) FROM customer"
    assert answer.confidence == pytest.approx(2 / 3)
    assert answer.warnings[0].startswith("The generators disagree: 2 different results")
    assert "2 of 3 generators" in answer.why


def test_the_next_hypothesis_steps_in_for_a_refused_one(database: Database) -> None:
    answer = ask(database, Scripted("a", "SELECT nope FROM customer", COUNT))
    assert answer.sql == COUNT
    assert [c.status for c in answer.candidates] == ["error", "ok"]
    assert [c.weight for c in answer.candidates] == [0.0, 1.0]


def test_nothing_ran_is_an_abstention_that_shows_what_was_tried(database: Database) -> None:
    answer = ask(database, Scripted("a", "SELECT nope FROM customer"))
    assert (answer.abstained, answer.reason, answer.confidence) == (True, "unanswerable", 0.0)
    assert answer.sql == "SELECT nope FROM customer"
    assert answer.rows == ()
    assert answer.warnings[0].startswith("None of 1 candidates ran")
    assert answer.why == "No candidate ran, so there was nothing to vote on."


def test_generators_without_an_idea_are_an_abstention(database: Database) -> None:
    answer = ask(database, Scripted("a"), Scripted("b"))
    assert (answer.sql, answer.reason) == (None, "unanswerable")


def test_low_confidence_is_an_abstention_that_keeps_its_guess(database: Database) -> None:
    policy = Policy(threshold=0.6)
    tie = ask(database, Scripted("a", NAMES), Scripted("b", COUNT), policy=policy)
    assert (tie.abstained, tie.reason, tie.sql) == (True, "tie", NAMES)
    assert len(tie.rows) == 6
    spread = Scripted("a", COUNT, NAMES, "SELECT 1", weights=[0.4, 0.35, 0.25])
    unsure = ask(database, spread, policy=policy)
    assert (unsure.abstained, unsure.reason, unsure.sql) == (True, "unsure", COUNT)


def test_confidence_is_calibrated_where_a_calibration_is_known(database: Database) -> None:
    answer = Pipeline(
        database=database,
        generators=[Scripted("a", COUNT)],
        index=MemoryValueIndex.build(database, database.schema()),
        calibration=Calibration(shares=(0.5, 1.0), chances=(0.3, 0.8)),
    ).answer(Question(text="How many customers?"))
    assert answer.confidence == 0.8
    assert answer.choice.groups[0].votes == 1.0


def test_measured_ranks_decide_between_equals(database: Database) -> None:
    answer = Pipeline(
        database=database,
        generators=[Scripted("a", NAMES), Scripted("b", COUNT)],
        index=MemoryValueIndex.build(database, database.schema()),
        ranks={"b": 0, "a": 1},
    ).answer(Question(text="How many customers?"))
    assert answer.sql == COUNT


def test_a_lost_generator_is_a_warning(database: Database) -> None:
    trace = Trace()
    answer = ask(database, Broken("bad"), Scripted("good", COUNT), trace=trace)
    assert answer.rows == ((6,),)
    assert answer.warnings == ("Generator bad failed and has no vote: bad has no weights",)
    assert GeneratorLost(generator="bad", message="bad has no weights") in trace.events
    with pytest.raises(ModelError):
        ask(database, Broken("bad"), Broken("worse"))


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_question_is_refused(database: Database, text: str) -> None:
    with pytest.raises(UsageError, match="question is empty"):
        ask(database, Scripted("a", COUNT), text=text)


@pytest.mark.parametrize("word", ["customer ", "x"])
def test_a_question_of_ten_thousand_characters_is_cut_with_a_warning(
    database: Database, word: str
) -> None:
    one = Scripted("one", COUNT)
    text = (word * 10_000)[:10_000]
    answer = ask(database, one, text=text)
    assert answer.rows == ((6,),)
    assert answer.question == text
    assert "The question was cut: only its first 1000 characters were read." in answer.warnings
    assert 900 < len(one.briefs[0].question.text) <= 1000


@pytest.mark.parametrize(
    "text",
    ["Wie viele Kunden haben wir in Porto?", "東京の顧客は何人ですか", "\x00\ud800 ' \" ; --"],
)
def test_odd_questions_are_answered_with_care(database: Database, text: str) -> None:
    answer = ask(database, Scripted("a", COUNT), text=text)
    assert answer.rows == ((6,),)
    if text[0] != "\x00":
        assert answer.warnings == ("The question does not look English; answers may be wrong.",)


def test_a_guessed_value_and_an_empty_result_are_said(database: Database) -> None:
    answer = ask(database, Scripted("a", "SELECT * FROM city WHERE name = 'Rio'", guessed=True))
    assert answer.candidates[0].status == "empty"
    assert len(answer.warnings) == 2


def test_a_cut_result_is_said(database: Database) -> None:
    answer = ask(database, Scripted("a", NAMES), policy=Policy(limits=Limits(rows=2)))
    assert answer.truncated
    assert answer.warnings == ("The result was cut after 2 rows.",)


def test_an_empty_database_is_an_abstention(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    database = open_database(str(path))
    silent = Scripted("a", COUNT)
    answer = ask(database, silent)
    database.close()
    assert (answer.abstained, answer.reason, answer.sql) == (True, "unanswerable", None)
    assert answer.warnings[0] == "The database 'empty' has no tables."
    assert silent.briefs == []


def test_no_generators_at_all_is_the_callers_mistake(database: Database) -> None:
    with pytest.raises(UsageError, match="No generators"):
        pipeline(database)


def test_the_trace_tells_the_story_without_rows(database: Database) -> None:
    trace = Trace()
    ask(database, Scripted("a", NAMES, "SELECT nope"), text="Name the customers", trace=trace)
    kinds = [type(event).__name__ for event in trace.events]
    assert kinds[0] == "Asked"
    assert kinds[-1] == "Chosen"
    assert kinds.count("CandidateWritten") == kinds.count("CandidateExecuted") == 2
    assert Asked(question="Name the customers", database="shop") in trace.events
    (linked,) = [e for e in trace.events if isinstance(e, Linked)]
    assert linked.columns == linked.of_columns
    (chosen,) = [e for e in trace.events if isinstance(e, Chosen)]
    assert (chosen.sql, chosen.rule, chosen.abstained) == (NAMES, "unanimous", False)
    assert sum(isinstance(e, StageEnded) for e in trace.events) == 6
    assert "Sousa" not in repr(trace.events)


def test_the_same_question_gives_the_same_answer_and_changes_nothing(
    shop: Path, database: Database
) -> None:
    before = hashlib.sha256(shop.read_bytes()).hexdigest()
    line = pipeline(
        database,
        Scripted("a", NAMES, COUNT),
        Scripted("b", COUNT),
        Scripted("c", "DROP TABLE city"),
    )
    answers = [line.answer(Question(text="How many?")) for _ in range(3)]
    assert len({(a.sql, a.rows, a.confidence, a.warnings) for a in answers}) == 1
    assert [c.status for c in answers[0].candidates] == ["ok", "ok", "ok", "refused"]
    assert hashlib.sha256(shop.read_bytes()).hexdigest() == before
