"""Solved questions that are asked again: what is recalled, with which values, and what is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from command import parsed, quorum  # tests/command.py
from quorumsql.api import connect
from quorumsql.config import Settings
from quorumsql.db import open_database
from quorumsql.domain import Question
from quorumsql.prompts.write import Shot
from quorumsql.said import shift_of_verdicts, trust_of_verdicts
from quorumsql.skeletons import skeleton_of
from quorumsql.solved import examples_path
from quorumsql.stages.recall import APPROVED, LIKE_APPROVED, Recall, Recalled
from quorumsql.stages.retrieve import retrieve
from quorumsql.stores.examples import ExampleStore, OwnExamples
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.stores.verdicts import VerdictStore


class Approved(list[Shot]):
    def approved(self) -> Sequence[Shot]:
        return self


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
            CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, day TEXT, total REAL);
            INSERT INTO customer VALUES (1, 'Ann', 'Oslo'), (2, 'Bo', 'Bergen'), (3, 'Cy', 'Oslo');
            INSERT INTO orders VALUES (1, 1, '2023-05-01', 10), (2, 2, '2024-01-01', 20),
                                      (3, 3, '2024-03-03', 30);
            """
        )
    return path


@pytest.fixture
def index(shop: Path) -> MemoryValueIndex:
    database = open_database(str(shop))
    try:
        return MemoryValueIndex.build(database, database.schema())
    finally:
        database.close()


def solved(index: MemoryValueIndex, question: str, sql: str, *, evidence: str = "") -> Shot:
    hits = retrieve(Question(text=question), index=index)
    skeleton = skeleton_of(question, hits)
    return Shot(question=question, sql=sql, skeleton=skeleton, evidence=evidence)


def approve_all(settings: Settings) -> None:
    store = ExampleStore(examples_path(settings))
    store.approve([one.id for one in store.all()])


def recalled(index: MemoryValueIndex, text: str, *shots: Shot, evidence: str = "") -> str | None:
    question = Question(text=text, evidence=evidence)
    found = Recall(Approved(shots)).like(question, retrieve(question, index=index))
    return found.sql if found else None


YEAR = "SELECT COUNT(*) FROM orders WHERE day >= '2023-01-01' AND day < '2024-01-01'"


@pytest.mark.parametrize(
    ("question", "sql", "asked", "wanted"),
    [
        ("Who lives in Oslo?", "SELECT name FROM customer WHERE city = 'Oslo'",
         "who lives in  oslo", "SELECT name FROM customer WHERE city = 'Oslo'"),
        ("Who lives in Oslo?", "SELECT name FROM customer WHERE city = 'Oslo'",
         "Who lives in bergen?", "SELECT name FROM customer WHERE city = 'Bergen'"),
        ("Who lives in Oslo?", "SELECT name FROM customer WHERE city LIKE '%oslo%'",
         "Who lives in Bergen?", "SELECT name FROM customer WHERE city LIKE '%Bergen%'"),
        ("Orders above 1,000", "SELECT id FROM orders WHERE total > 1000",
         "Orders above 25?", "SELECT id FROM orders WHERE total > 25"),
        ("The 3 largest orders", "SELECT id FROM orders ORDER BY total DESC LIMIT 3",
         "The 5 largest orders", "SELECT id FROM orders ORDER BY total DESC LIMIT 5"),
        ("Orders in 2023", "SELECT id FROM orders WHERE day LIKE '2023%'",
         "Orders in 2024", "SELECT id FROM orders WHERE day LIKE '2024%'"),
        ("How many orders in 2023?", YEAR, "How many orders in 2024?",
         YEAR.replace("2024", "2025").replace("2023", "2024")),
        ('Customers called "Ann"', "SELECT id FROM customer WHERE name = 'Ann'",
         'Customers called "Zoe"', "SELECT id FROM customer WHERE name = 'Zoe'"),
    ],
)  # fmt: skip
def test_a_question_is_recalled_with_its_own_values(
    index: MemoryValueIndex, question: str, sql: str, asked: str, wanted: str
) -> None:
    assert recalled(index, asked, solved(index, question, sql)) == wanted


@pytest.mark.parametrize(
    ("question", "sql", "asked"),
    [
        # another question
        ("Who lives in Oslo?", "SELECT name FROM customer WHERE city = 'Oslo'", "Who is in Oslo?"),
        # a name that no column stores
        ("Who lives in Oslo?", "SELECT name FROM customer WHERE city = 'Oslo'",
         "Who lives in Trondheim?"),
        # the value does not stand in the SQL
        ("Who lives in Oslo?", "SELECT name FROM customer WHERE id IN (1, 3)",
         "Who lives in Bergen?"),
        # the number stands there twice
        ("Orders above 3", "SELECT id FROM orders WHERE total > 3 LIMIT 3", "Orders above 4"),
        # one number stands for two
        ("Orders from 3 to 3", "SELECT id FROM orders WHERE total BETWEEN 3 AND 3",
         "Orders from 3 to 4"),
        # another year is left behind
        ("Orders in 2023", "SELECT id FROM orders WHERE day >= '2023-01-01' AND day < '2023-12-31' "
         "AND day <> '2022-07-07'", "Orders in 2024"),
        # what is not SQL any more
        ("Orders above 3", "SELECT id FROM orders WHERE (", "Orders above 4"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_not_recalled(
    index: MemoryValueIndex, question: str, sql: str, asked: str
) -> None:
    assert recalled(index, asked, solved(index, question, sql)) is None


def test_words_that_count_from_today_outlive_their_dates(index: MemoryValueIndex) -> None:
    dated = solved(index, "Orders last month", "SELECT id FROM orders WHERE day LIKE '2023-04%'")
    assert recalled(index, "Orders last month", dated) is None
    sql = "SELECT id FROM orders WHERE day >= date('now', 'start of month', '-1 month')"
    assert recalled(index, "Orders last month", solved(index, "Orders last month", sql)) == sql


def test_evidence_and_the_last_word_count(index: MemoryValueIndex) -> None:
    first = solved(index, "Best customer", "SELECT 1", evidence="best = most orders")
    last = solved(index, "Best customer", "SELECT 2")
    assert recalled(index, "Best customer", first, last) == "SELECT 2"
    assert recalled(index, "Best customer", last, evidence="best = oldest") is None
    assert recalled(index, "Best customer", first, evidence="best = most orders") == "SELECT 1"


def test_only_approved_examples_of_this_database_count(tmp_path: Path) -> None:
    store = ExampleStore(tmp_path / "examples.jsonl")
    own = OwnExamples(store, home="h1", database="shop")
    assert own.approved() == ()
    shots = [Shot(question=f"q{n}", sql=f"SELECT {n}") for n in range(4)]
    store.add(shots[:1], database="shop", approved=True, home="h1")
    store.add(shots[1:2], database="shop", approved=True, home="h2")  # another shop
    store.add(shots[2:3], database="shop", approved=False, home="h1")
    store.add(shots[3:], database="shop", approved=True)  # nobody said which
    assert [one.sql for one in own.approved()] == ["SELECT 0", "SELECT 3"]
    store.approve([one.id for one in store.all() if one.shot.sql == "SELECT 2"])
    assert "SELECT 2" in {one.sql for one in own.approved()}


def test_what_was_corrected_is_answered_so_from_then_on(shop: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    question, sql = "Who are our regulars in Oslo?", "SELECT name FROM customer WHERE id = 3"
    with connect(str(shop), settings=settings) as database:
        before = database.ask(question)
        assert before.choice.rule != "approved"
        database.learn(question, sql)
        assert database.ask(question).sql == before.sql  # nobody approved it
        approve_all(settings)
        after = database.ask("who are our regulars in Oslo")
        assert (after.sql, after.rows) == (sql, (("Cy",),))
        assert (after.confidence, after.choice.rule) == (APPROVED, "approved")
        assert not after.abstained and after.warnings == ()
    off = replace(settings, members=replace(settings.members, recall=False))
    with connect(str(shop), settings=off) as database:
        assert database.ask(question).sql == before.sql


def test_other_values_are_told(shop: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with connect(str(shop), settings=settings) as database:
        database.learn("Regulars in Oslo", "SELECT name || '!' FROM customer WHERE city = 'Oslo'")
        approve_all(settings)
        answer = database.ask("Regulars in Bergen")
        assert answer.rows == (("Bo!",),) and answer.confidence == LIKE_APPROVED
        assert answer.warnings == (
            "Taken from the approved example 'Regulars in Oslo', with other values.",
        )


def test_sql_that_runs_no_longer_is_told_and_passed_over(shop: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with connect(str(shop), settings=settings) as database:
        database.learn("How many customers are there?", "SELECT COUNT(*) + 0 FROM customer")
    approve_all(settings)
    with sqlite3.connect(shop) as connection:
        connection.execute("ALTER TABLE customer RENAME TO client")
    with connect(str(shop), settings=settings) as database:
        answer = database.ask("How many customers are there?")
        assert answer.choice.rule != "approved"
        assert any("The approved SQL of" in each for each in answer.warnings)


def test_from_the_command_line(shop: Path, tmp_path: Path) -> None:
    home = {"QUORUM_HOME": str(tmp_path / "home")}
    sql = "SELECT COUNT(*) FROM customer WHERE city = 'Oslo'"
    added = quorum("examples", "add", "--db", shop, "Locals in Oslo", sql, env=home)
    assert added.returncode == 0, added
    answer = parsed(quorum("ask", "--db", shop, "locals in bergen?", "--json", env=home))
    assert answer["rows"] == [[1]] and answer["sql"] == sql.replace("Oslo", "Bergen")
    shown = quorum("ask", "--db", shop, "locals in oslo", env=home)
    assert "an approved example asks the same" in shown.stdout + shown.stderr


def test_a_verdict_on_approved_sql_says_nothing_of_generators(shop: Path, tmp_path: Path) -> None:
    home = {"QUORUM_HOME": str(tmp_path / "home")}
    assert quorum("examples", "add", "--db", shop, "Locals", "SELECT 2", env=home).returncode == 0
    assert parsed(quorum("ask", "--db", shop, "Locals", "--json", env=home))["rows"] == [[2]]
    said = quorum("verdict", "wrong", "--db", shop, env=home)
    assert "Its SQL came from an approved example" in said.stdout + said.stderr
    listed = parsed(quorum("verdict", "--db", shop, "--list", "--json", env=home))
    assert listed["database"]["seventy_becomes"] == 0.7
    (kept,) = tmp_path.glob("home/**/verdicts.jsonl")
    verdicts = list(VerdictStore(kept).all())
    assert shift_of_verdicts(verdicts * 9, spread=1.0) == 0.0
    assert trust_of_verdicts(verdicts * 9, ["a", "b"]) == {}


def test_databases_of_one_name_do_not_share_solved_questions(shop: Path, tmp_path: Path) -> None:
    home = {"QUORUM_HOME": str(tmp_path / "home")}
    other = tmp_path / "other" / shop.name
    other.parent.mkdir()
    other.write_bytes(shop.read_bytes())
    for path, sql in ((shop, "SELECT 1"), (other, "SELECT 2"), (other, "SELECT 1")):
        added = quorum("examples", "add", "--db", path, "Locals", sql, env=home)
        assert added.returncode == 0 and added.stdout.strip(), added
    own = Settings(home=tmp_path / "home")
    for path, sql in ((shop, "SELECT 1"), (other, "SELECT 1")):
        with connect(str(path), settings=own) as database:
            assert database.ask("locals").sql == sql
    (first, *_) = ExampleStore(examples_path(own)).all()
    assert {one.home for one in ExampleStore(examples_path(own)).all()} > {first.home}


def test_recalled_is_one_candidate_that_is_chosen() -> None:
    from quorumsql.domain import Rows

    rows = Rows(columns=("n",), rows=((1,),))
    (candidate,), choice = Recalled("SELECT 1", "one", same=True).voted(rows)
    assert candidate.final.execution is rows and choice.candidate == 0
