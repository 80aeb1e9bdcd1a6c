"""Members adapted to one database: its questions, the training, and what uses the result."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import torch

from command import complaint, parsed, quorum  # tests/command.py
from quorumsql import Connection, connect
from quorumsql.adapted import ADAPTED, CHECKPOINT, adapted_members, fingerprint, forget_adapted
from quorumsql.config import MemberSettings, Settings, database_home
from quorumsql.db import open_database
from quorumsql.domain import Brief, Question, Rows
from quorumsql.errors import UsageError
from quorumsql.forms.linear import FORMS
from quorumsql.forms.translate import translate
from quorumsql.forms.write import write
from quorumsql.joins import JoinGraph
from quorumsql.neural.members import load_members
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.shipped import FOLDER
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.train.adapt import Adaptation, Adapted, adapt
from quorumsql.train.adapt_questions import WORDINGS, apart, make_questions, readable_schema
from quorumsql.train.data import Example
from quorumsql.train.embedded import Plan
from quorumsql.train.export import export
from quorumsql.train.model import Ensemble, Shape
from servers import Server, make_postgresql  # tests/servers.py

TINY = Shape(width=48, heads=4, hidden=64, shared_layers=2, decoder_layers=1, decoder_heads=6,
             decoder_hidden=64)  # fmt: skip
QUICK = Adaptation(
    minutes=5, questions=160, checked=20, batch=16, encoder_rate=5e-3, decoder_rate=5e-3,
    average=0.5, blend=1.0, masked=0.0, blind=0.0, warm_up=1, steps=40,
)  # fmt: skip
CITIES = ("Rome", "Oslo", "Lyon", "Bern")
KINDS = ("Dog", "Cat", "Parrot")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny layers on several threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def script() -> str:
    """Two tables of thirty rows, in SQL that every engine reads."""
    rng = random.Random(1)
    owners = (
        f"({n}, 'Owner{n:02d}', {20 + n}, '{rng.choice(CITIES)}', 'Secret{n}')" for n in range(30)
    )
    pets = (f"({n}, '{rng.choice(KINDS)}', {3 + n % 17}, {rng.randrange(30)})" for n in range(30))
    return f"""
        CREATE TABLE owner (owner_id INTEGER PRIMARY KEY, name VARCHAR(20), age INTEGER,
                            city VARCHAR(20), password VARCHAR(20));
        CREATE TABLE pet (pet_id INTEGER PRIMARY KEY, kind VARCHAR(20), weight INTEGER,
                          owner_id INTEGER REFERENCES owner (owner_id));
        INSERT INTO owner VALUES {", ".join(owners)};
        INSERT INTO pet VALUES {", ".join(pets)};
    """


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapt") / "pets.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(script())
    connection.close()
    return path


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder of weights that know nothing, as the package would carry it."""
    folder = tmp_path_factory.mktemp("shipped")
    torch.manual_seed(3)
    model = Ensemble(TINY, ("columns",))
    with torch.no_grad():
        for parameter in model.parameters():  # the exporter keeps equal ones once
            parameter.add_(torch.randn_like(parameter), alpha=1e-3)
    record = {"shape": asdict(TINY), "forms": ("columns",), "held_out": [], "plan": asdict(Plan())}
    torch.save({**record, "weights": model.state_dict()}, folder / "members.pt")
    export(folder / "members.pt", folder, tokenizer=FOLDER / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def made(pets: Path) -> list[Example]:
    return made_of(pets, unread=("*.password",))


def made_of(url: Path | str, *, unread: tuple[str, ...] = ()) -> list[Example]:
    database = open_database(str(url))
    schema = readable_schema(database.schema(), unread)
    index = MemoryValueIndex.build(database, schema)
    reads = Tokeniser(FOLDER / "tokenizer.json")
    found = make_questions(database, schema, index, reads, count=160, seed=1, seconds=60)
    database.close()
    return found


def adapted(
    path: Path, home: Path, shipped: Path, plan: Adaptation, *, stop_at: int | None = None
) -> tuple[Adapted, list[dict[str, Any]]]:
    """Adapt to the database at `path`; KeyboardInterrupt at step `stop_at`."""
    events: list[dict[str, Any]] = []

    def report(event: dict[str, Any]) -> None:
        events.append(event)
        if stop_at is not None and event.get("step") == stop_at:
            raise KeyboardInterrupt

    database = open_database(str(path))
    index = MemoryValueIndex.build(database, database.schema())
    found = adapt(database, index, home, plan, shipped=shipped, report=report)
    database.close()
    return found, events


def test_questions_run_and_find_something(made: list[Example], pets: Path) -> None:
    database = open_database(str(pets))
    for example in made:
        sql = write(example.trees["tables"], example.schema, JoinGraph(example.schema))
        found = database.execute(sql)
        assert isinstance(found, Rows), sql
        assert found.rows not in ((), ((0,),), ((None,),)), sql
    database.close()


def test_questions_are_different_and_of_many_kinds(made: list[Example]) -> None:
    assert len(made) == 160
    assert len({example.question.lower() for example in made}) == 160
    statements = Counter(repr(example.trees["tables"]) for example in made)
    assert max(statements.values()) <= WORDINGS
    clauses = [repr(example.trees["tables"]) for example in made]
    for kind in ("group=(Col", "order=(Ord", "'avg'", "between", "compound=('", "distinct=True"):
        assert any(kind in text for text in clauses), kind


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_questions_are_made_on_other_engines(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = str(tmp_path / "pets.duckdb")
    if engine == "duckdb":
        with closing(duckdb.connect(url)) as connection:
            connection.execute(script())
    else:
        server: Server = request.getfixturevalue("postgresql_server")
        url = make_postgresql(server, "adapted", script())
    found = made_of(url, unread=("*.password",))
    assert len(found) == 160
    with closing(open_database(url)) as database:
        for example in found[::8]:
            schema = example.schema
            sql = write(example.trees["tables"], schema, JoinGraph(schema))
            assert isinstance(database.execute(translate(sql, schema)), Rows), sql


def test_columns_that_nobody_reads_are_not_asked_about(made: list[Example]) -> None:
    for example in made:
        assert "password" not in repr(example.trees) + example.question
        assert "Secret" not in example.question


def test_no_statement_is_learned_and_checked(made: list[Example]) -> None:
    check, learn = apart(made, 20)
    assert len(check) >= 20 and len(check) + len(learn) == len(made)
    assert not {repr(e.trees) for e in check} & {repr(e.trees) for e in learn}


def test_members_learn_a_database(pets: Path, shipped: Path, tmp_path: Path) -> None:
    found, events = adapted(pets, tmp_path, shipped, replace(QUICK, gain=-1.0))
    losses = [event["columns"] for event in events if event["event"] == "step"]
    assert len(losses) == found.steps == 40
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert found.folder == tmp_path / ADAPTED
    assert not (tmp_path / CHECKPOINT).exists()
    manifest = json.loads((found.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["adapted"]["questions"] == found.questions
    assert (found.folder / "trunk.onnx").read_bytes() == (shipped / "trunk.onnx").read_bytes()
    database = open_database(str(pets))
    schema = database.schema()
    brief = Brief(question=Question(text="How many pets are there?"), schema=schema, hits=())
    (member,) = load_members(folder=found.folder, beam=4)
    assert any(isinstance(database.execute(c.sql), Rows) for c in member.generate(brief))
    database.close()
    told = json.dumps(events)
    assert not any(word in told for word in (*CITIES, *KINDS, "Owner", "Secret"))


def test_weights_that_are_no_better_are_not_kept(pets: Path, shipped: Path, tmp_path: Path) -> None:
    still = replace(QUICK, steps=1, encoder_rate=0.0, decoder_rate=0.0)
    found, _ = adapted(pets, tmp_path, shipped, still)
    assert found.folder is None
    assert not list(tmp_path.iterdir())


def test_an_interrupted_adaptation_goes_on(pets: Path, shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        adapted(pets, tmp_path, shipped, QUICK, stop_at=3)
    assert (tmp_path / CHECKPOINT).is_file()
    found, events = adapted(pets, tmp_path, shipped, replace(QUICK, steps=5))
    assert [event["step"] for event in events if event["event"] == "step"] == [4, 5]
    assert found.steps == 5


def test_a_database_without_rows_cannot_be_learned(shipped: Path, tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t1 (a, b)")
    connection.close()
    with pytest.raises(UsageError, match="too few to learn from"):
        adapted(path, tmp_path / "home", shipped, QUICK)


def test_members_of_other_weights_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / ADAPTED
    folder.mkdir()
    assert adapted_members(tmp_path) is None
    manifest = {"adapted": {"base": "of older weights"}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert adapted_members(tmp_path) is None
    assert forget_adapted(tmp_path) and not folder.exists()
    assert not forget_adapted(tmp_path)


def test_adapted_members_answer_about_their_database_only(pets: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    folder = database_home(settings, str(pets)) / ADAPTED
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("reader.onnx"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"members": ["plan"], "adapted": {"base": fingerprint()}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    other = tmp_path / "other.sqlite"
    shutil.copyfile(pets, other)

    def members(connection: Connection) -> list[str]:
        return [member.name for member in connection.load()]

    everybody = [f"embedded/{form}" for form in FORMS]
    with connect(str(pets), settings=settings) as own:
        assert members(own) == ["embedded/plan"]
        assert own.ask("How many pets are there?").rows == ((30,),)
        with connect(str(other), settings=settings, like=own) as another:
            assert members(another) == everybody
    off = replace(settings, members=MemberSettings(adapted=False))
    with connect(str(pets), settings=off) as plain:
        assert members(plain) == everybody


def test_without_the_extra_the_command_says_what_to_install(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('not installed')", encoding="utf-8")
    done = quorum("adapt", "--db", str(pets), env={"PYTHONPATH": str(tmp_path)})
    assert "pip install 'quorumsql[train]'" in complaint(done, 2)


def test_a_time_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="make no sense"):
        Adaptation(minutes=float("nan"))


def test_the_command_adapts_and_forgets(pets: Path, tmp_path: Path) -> None:
    """The weights of the package, in as little time as it takes."""
    home = {"QUORUM_HOME": str(tmp_path)}
    own = ("adapt", "--db", str(pets))
    done = quorum(*own, "--minutes", "0.1", "--questions", "60", "--json", env=home, seconds=300)
    found = parsed(done)
    assert set(found["before"]) == set(FORMS)
    folder = database_home(Settings(home=tmp_path), str(pets)) / ADAPTED
    assert found["kept"] == folder.is_dir()
    assert not any(word in done.stderr for word in (*CITIES, "Secret"))
    gone = quorum(*own, "--forget", "--json", env=home)
    assert parsed(gone) == {"forgotten": found["kept"]}
    assert not folder.exists()
