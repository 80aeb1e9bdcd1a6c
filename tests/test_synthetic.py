"""Synthetic questions: real ones moved to other schemas, and those of a small grammar."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import quorumsql
from quorumsql.domain import Rows
from quorumsql.forms.grammar import Grammar
from quorumsql.forms.linear import FORMS
from quorumsql.forms.read import read
from quorumsql.forms.write import write
from quorumsql.joins import JoinGraph
from quorumsql.neural.targets import align, targets
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.train.data import Example, load_examples
from quorumsql.train.synthetic import polish, synthesise
from quorumsql.train.synthetic_grammar import Rule
from quorumsql.train.synthetic_joins import RULES
from quorumsql.train.synthetic_names import Names, article, load_names, plural, singular
from quorumsql.train.synthetic_phrases import Speaker, of_one
from quorumsql.train.synthetic_target import Examiner, Rejected, Target
from quorumsql.train.synthetic_templates import common_words, templates
from quorumsql.train.synthetic_transplant import fill

FOLDERS = {
    "pets": """
        CREATE TABLE owner (owner_id INTEGER PRIMARY KEY, name TEXT, age INTEGER, city TEXT);
        CREATE TABLE pet (pet_id INTEGER PRIMARY KEY, kind TEXT, weight REAL,
                          owner_id INTEGER REFERENCES owner (owner_id));
        INSERT INTO owner VALUES (1, 'Ann Lee', 31, 'Rome'), (2, 'Bob Fox', 20, 'Oslo'),
                                 (3, 'Cid Ray', 44, 'Rome'), (4, 'Dee Poe', 25, 'Oslo');
        INSERT INTO pet VALUES (1, 'Dog', 8.5, 1), (2, 'Cat', 4.1, 2), (3, 'Dog', 20.0, 1);
    """,
    "music": """
        CREATE TABLE singer (singer_id INTEGER PRIMARY KEY, name TEXT, salary INTEGER,
                             country TEXT);
        CREATE TABLE song (song_id INTEGER PRIMARY KEY, title TEXT, sales INTEGER, genre TEXT,
                           singer_id INTEGER REFERENCES singer (singer_id));
        INSERT INTO singer VALUES (1, 'Ada Moon', 900, 'France'), (2, 'Eve Stone', 1500, 'Peru'),
                                  (3, 'Ian Hill', 700, 'France'), (4, 'Joe Wood', 1200, 'Peru');
        INSERT INTO song VALUES (1, 'Blue River', 120, 'Folk', 1), (2, 'Red Sky', 80, 'Rock', 2),
                                (3, 'Green Sea', 300, 'Folk', 2);
    """,
    "school": """
        CREATE TABLE student (student_id INTEGER PRIMARY KEY, name TEXT, height INTEGER,
                              town TEXT);
        CREATE TABLE course (course_id INTEGER PRIMARY KEY, title TEXT, credits INTEGER,
                             subject TEXT);
        CREATE TABLE enrolment (student_id INTEGER REFERENCES student (student_id),
                                course_id INTEGER REFERENCES course (course_id), grade INTEGER,
                                PRIMARY KEY (student_id, course_id));
        INSERT INTO student VALUES (1, 'Kim Dale', 170, 'Lyon'), (2, 'Lou Hart', 182, 'Bern'),
                                   (3, 'Max Kerr', 165, 'Lyon'), (4, 'Ned Lane', 190, 'Bern');
        INSERT INTO course VALUES (1, 'Algebra One', 6, 'Maths'), (2, 'Optics', 4, 'Physics'),
                                  (3, 'Number Theory', 8, 'Maths');
        INSERT INTO enrolment VALUES (1, 1, 5), (2, 1, 4), (2, 2, 3);
    """,
}
ASKED = {
    "pets": {
        "How many owners are there?": "SELECT count(*) FROM owner",
        "List the names of owners whose city is Rome.": "SELECT name FROM owner "
        "WHERE city = 'Rome'",
        "What are the names of owners with age above 30?": "SELECT name FROM owner WHERE age > 30",
        "Find the names of owners who do not have any pets.": "SELECT name FROM owner WHERE "
        "owner_id NOT IN (SELECT owner_id FROM pet)",
        "Who barks?": "SELECT name FROM owner",
    },
    "music": {
        "How many songs are there for each genre?": "SELECT genre, count(*) FROM song "
        "GROUP BY genre",
        "What is the name of the singer with the most songs?": "SELECT T1.name FROM singer AS T1 "
        "JOIN song AS T2 ON T1.singer_id = T2.singer_id GROUP BY T1.singer_id "
        "ORDER BY count(*) DESC LIMIT 1",
        "Find the names of singers who do not have any songs.": "SELECT name FROM singer WHERE "
        "singer_id NOT IN (SELECT singer_id FROM song)",
        "List the titles of all songs whose genre is Folk.": "SELECT title FROM song "
        "WHERE genre = 'Folk'",
        "List the singers who gave a concert.": "SELECT name FROM singer",
    },
    "school": {
        "What are the names of students with height above 170?": "SELECT name FROM student "
        "WHERE height > 170",
        "How many courses are there for each subject?": "SELECT subject, count(*) FROM course "
        "GROUP BY subject",
        "List the names of all students who have the most height.": "SELECT name FROM student "
        "ORDER BY height DESC LIMIT 1",
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    for name, script in FOLDERS.items():
        path = folder / "database" / name / f"{name}.sqlite"
        path.parent.mkdir(parents=True)
        with sqlite3.connect(path) as connection:
            connection.executescript(script)
        connection.close()
    rows = [
        {"db_id": name, "question": question, "query": query}
        for name, asked in ASKED.items()
        for question, query in asked.items()
    ]
    (folder / "train.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    return Tokeniser(Path(quorumsql.__file__).parent / "neural" / "weights" / "tokenizer.json")


@pytest.fixture(scope="module")
def examples(data: Path, tokeniser: Tokeniser) -> list[Example]:
    return load_examples(data, ["train.json"], tokeniser)


@pytest.fixture(scope="module")
def made(examples: list[Example], data: Path, tokeniser: Tokeniser) -> list[Example]:
    return synthesise(examples, data, tokeniser, count=240, seed=3)


@pytest.fixture(scope="module")
def targets_of(examples: list[Example], data: Path) -> Iterator[dict[str, Target]]:
    first = {example.database: example for example in examples}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Target.open(example, data, {}))
            for name, example in first.items()
        }


@pytest.fixture(scope="module")
def music(targets_of: dict[str, Target]) -> Target:
    return targets_of["music"]


def sql_of(example: Example) -> str:
    return write(example.trees["tables"], example.schema, JoinGraph(example.schema))


def test_as_many_as_asked_shared_by_all_databases(made: list[Example]) -> None:
    assert len(made) == 240
    assert Counter(example.database for example in made) == dict.fromkeys(FOLDERS, 80)
    assert len({(e.database, e.question) for e in made}) == 240


def test_the_seed_decides(
    examples: list[Example], data: Path, tokeniser: Tokeniser, made: list[Example]
) -> None:
    again = synthesise(examples, data, tokeniser, count=240, seed=3)
    other = synthesise(examples, data, tokeniser, count=240, seed=4)
    assert [(e.question, e.trees) for e in again] == [(e.question, e.trees) for e in made]
    assert [e.question for e in other] != [e.question for e in made]


def test_every_example_can_be_learned_in_every_form(
    made: list[Example], tokeniser: Tokeniser
) -> None:
    grammars = {form: Grammar(form) for form in FORMS}
    for example in made:
        encoded = tokeniser.encode(example.question, example.pieces, example.hits)
        for form, grammar in grammars.items():
            tree = align(example.trees[form], encoded, example.schema)
            assert "guessed=True" not in repr(tree), example.question
            assert targets(tree, form, grammar, encoded).actions


def test_every_example_runs_and_finds_something(made: list[Example], data: Path) -> None:
    for example in made:
        path = data / "database" / example.database / f"{example.database}.sqlite"
        with sqlite3.connect(path) as connection:
            rows = connection.execute(sql_of(example)).fetchall()
        connection.close()
        assert rows not in ([], [(0,)], [(None,)]), (example.question, sql_of(example))


def test_every_example_names_a_table_or_column_of_its_own(made: list[Example]) -> None:
    for example in made:
        names = Names.of(example.schema, example.database, {})
        words = {*names.tables.values(), *names.columns.values(), *map(names.short, names.columns)}
        question = example.question.lower()
        assert any(singular(w) in question or plural(w) in question for w in words), question


def test_trees_are_those_that_their_sql_reads_as(made: list[Example]) -> None:
    for example in made:
        again = read(sql_of(example), example.schema)
        graph = JoinGraph(example.schema)
        assert sorted(write(again, example.schema, graph)) == sorted(sql_of(example))


def test_real_questions_move_to_other_schemas(
    examples: list[Example], data: Path, tokeniser: Tokeniser
) -> None:
    moved = synthesise(examples, data, tokeniser, count=90, seed=1, transplanted=1.0)
    found = {(e.question, sql_of(e)) for e in moved}
    assert ("How many singers are there?", "SELECT COUNT(*) FROM singer") in found
    assert any(
        q.startswith("How many pets are there for each kind") and "GROUP BY kind" in s
        for q, s in found
    )
    assert any(
        "owner" in q and "most pets" in q and "JOIN pet" in s and s.endswith("DESC LIMIT 1")
        for q, s in found
    )
    assert not any("barks" in q or "concert" in q for q, _ in found)


def test_held_out_databases_are_not_even_opened(
    examples: list[Example], tmp_path: Path, data: Path, tokeniser: Tokeniser
) -> None:
    for name in ("pets", "music"):
        folder = tmp_path / "database" / name
        folder.mkdir(parents=True)
        source = data / "database" / name / f"{name}.sqlite"
        (folder / f"{name}.sqlite").write_bytes(source.read_bytes())
    kept = [e for e in examples if e.database != "school"]
    made = synthesise(kept, tmp_path, tokeniser, count=30, seed=1)
    assert {e.database for e in made} == {"pets", "music"}
    assert not any("student" in e.question or "course" in e.question for e in made)


def test_the_tally_says_what_was_accepted_and_why_not(
    examples: list[Example], data: Path, tokeniser: Tokeniser
) -> None:
    tally: Counter[str] = Counter()
    made = synthesise(examples, data, tokeniser, count=60, seed=5, tally=tally)
    accepted = sum(n for name, n in tally.items() if name.endswith(": accepted"))
    assert accepted >= len(made)
    assert tally["templates"] > 3
    assert any("no such column" in name for name in tally)


def test_words_of_a_subject_do_not_stay(examples: list[Example]) -> None:
    words = common_words(examples)
    assert {"how", "many", "the", "names", "with", "most"} <= words | {"names"}
    assert not {"barks", "concert", "singers", "pets"} & words
    found = {e.question: t for e, t in zip(examples, templates(examples, {}), strict=True)}
    assert found["Who barks?"] is None
    assert found["How many owners are there?"] is not None


def test_values_come_from_the_new_column(examples: list[Example], music: Target) -> None:
    found = {e.question: t for e, t in zip(examples, templates(examples, {}), strict=True)}
    template = found["List the names of owners whose city is Rome."]
    assert template is not None
    seen = set()
    for seed in range(40):
        try:
            question, tree = fill(template, music, random.Random(seed))
        except Rejected:
            continue
        assert "Rome" not in question
        seen.add((question, write(tree, music.schema, music.graph)))
    assert (
        "List the names of singers whose country is Peru.",
        "SELECT name FROM singer WHERE country = 'Peru'",
    ) in seen


def test_who_asks_for_people_only(examples: list[Example], music: Target) -> None:
    found = {e.question: t for e, t in zip(examples, templates(examples, {}), strict=True)}
    template = found["List the names of all students who have the most height."]
    assert template is not None
    for seed in range(40):
        try:
            question, _ = fill(template, music, random.Random(seed))
        except Rejected:
            continue
        assert "singers who" in question or "students who" in question


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_of_the_grammar_makes_questions(
    rule: Rule, targets_of: dict[str, Target], tokeniser: Tokeniser
) -> None:
    examiner, made = Examiner(tokeniser), set()
    for target in targets_of.values():
        for seed in range(60):
            speaker = Speaker(target, random.Random(seed))
            try:
                question, tree = rule(speaker)
                tree = tree if tree.compound else speaker.query(tree)
                made.add(examiner.accept(polish(question), tree, target).question)
            except Rejected:
                continue
    assert made
    assert not any("{" in question or "  " in question for question in made)


def test_the_examiner_refuses_what_cannot_be_learned(music: Target, tokeniser: Tokeniser) -> None:
    examiner = Examiner(tokeniser)

    def verdict(question: str, sql: str) -> str:
        try:
            examiner.accept(question, read(sql, music.schema), music)
        except Rejected as reason:
            return str(reason)
        return "accepted"

    sql = "SELECT name FROM singer WHERE country = 'Peru'"
    assert verdict("List the names of singers from Peru.", sql) == "accepted"
    assert verdict("List the names of southern singers.", sql) == "value without a span"
    assert verdict("Names?", "SELECT name FROM singer") == "wording"
    assert verdict("The singers the singers with names?", "SELECT name FROM singer") == "wording"
    nobody = "SELECT name FROM singer WHERE country = 'Chile'"
    assert verdict("List the names of singers from Chile.", nobody) == "finds nothing"


def test_the_target_knows_its_rows_and_values(music: Target) -> None:
    by_name = {(ref.table, ref.column): kind for ref, kind in music.classes.items()}
    assert by_name["singer", "singer_id"] == "key"
    assert by_name["song", "singer_id"] == "foreign"
    assert by_name["song", "title"] == "name"
    assert by_name["song", "sales"] == "number"
    refs = {ref.column: ref for ref in music.classes if ref.table == "singer"}
    assert music.rows == {"singer": 4, "song": 3}
    assert music.is_category(refs["country"])
    assert not music.is_category(refs["name"])
    assert music.values(refs["salary"]) == ("700", "900", "1200", "1500")
    assert isinstance(music.database.execute("SELECT 1"), Rows)


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("singer", "singers"), ("city", "cities"), ("date of birth", "dates of birth"),
        ("person", "people"), ("class", "classes"), ("bus", "buses"), ("staff", "staff"),
        ("course", "courses"), ("singer in concert", "singers in concert"), ("id", "ids"),
        ("day", "days"), ("address", "addresses"), ("status", "statuses"), ("box", "boxes"),
    ],
)  # fmt: skip
def test_singular_and_plural(one: str, several: str) -> None:
    assert plural(one) == several
    assert plural(several) == several
    assert singular(several) == one


def test_conditions_agree_with_one() -> None:
    assert of_one("that have Peru as their country") == "that has Peru as their country"


def test_articles_follow_the_next_word() -> None:
    assert article("Find a album and an song of a unit in an hour") == (
        "Find an album and a song of a unit in an hour"
    )


def test_questions_are_polished() -> None:
    assert polish("what are the  names of singers ") == "What are the names of singers?"
    assert polish("list the names , please") == "List the names, please."


def test_names_of_annotators_win(tmp_path: Path, music: Target) -> None:
    assert load_names(tmp_path) == {}
    row = {
        "db_id": "music", "table_names_original": ["singer"], "table_names": ["vocalists"],
        "column_names_original": [[-1, "*"], [0, "name"]],
        "column_names": [[-1, "*"], [0, "full name"]],
    }  # fmt: skip
    (tmp_path / "tables.json").write_text(json.dumps([row]), encoding="utf-8")
    names = Names.of(music.schema, "music", load_names(tmp_path))
    assert names.tables == {"singer": "vocalist", "song": "song"}
    assert "full name" in names.columns.values()
