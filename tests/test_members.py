"""The embedded members on a real database, with the weights that ship."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot

from quorumsql.db import open_database
from quorumsql.domain import Brief, Column, Question, Rows, Schema, Table
from quorumsql.errors import ModelError, UnknownName
from quorumsql.neural.graphs import Floats
from quorumsql.neural.members import WEIGHTS, EmbeddedMember, load_members
from quorumsql.neural.tokenise import Encoded
from quorumsql.ports import Database
from quorumsql.stores.values import MemoryValueIndex


@pytest.fixture(scope="module")
def members() -> tuple[EmbeddedMember, ...]:
    return load_members()


@pytest.fixture
def database(shop: Path) -> Iterator[Database]:
    opened = open_database(str(shop))
    yield opened
    opened.close()


def brief(database: Database, text: str) -> Brief:
    schema = database.schema()
    hits = MemoryValueIndex.build(database, schema).mentions(text)
    return Brief(question=Question(text=text), schema=schema, hits=hits)


def test_three_members_that_differ(members: tuple[EmbeddedMember, ...]) -> None:
    assert [m.name for m in members] == ["embedded/columns", "embedded/tables", "embedded/plan"]


def test_candidates_are_distinct_run_and_share_one_vote(
    members: tuple[EmbeddedMember, ...], database: Database
) -> None:
    for member in members:
        found = member.generate(brief(database, "How many customers are there?"))
        assert sum(c.weight for c in found) == pytest.approx(1)
        assert [c.weight for c in found] == sorted((c.weight for c in found), reverse=True)
        assert len({c.sql for c in found}) == len(found)
        ran = [database.execute(c.sql) for c in found]
        assert all(isinstance(execution, Rows) for execution in ran[:1])


@pytest.mark.parametrize("text", ["Show the names and the names of customers", "name, name, city?"])
def test_nothing_is_shown_twice(
    members: tuple[EmbeddedMember, ...], database: Database, text: str
) -> None:
    for member in members:
        for candidate in member.generate(brief(database, text)):
            tree = sqlglot.parse_one(candidate.sql, read="sqlite")
            assert isinstance(tree, sqlglot.exp.Query)
            shown = [one.sql() for one in tree.selects]
            assert len(set(shown)) == len(shown)


def test_members_answer_the_same_in_any_order_and_from_threads(
    members: tuple[EmbeddedMember, ...], database: Database
) -> None:
    asked = [brief(database, q) for q in ("How many orders are there?", "List all customers")]
    alone = {(m.name, i): m.generate(b) for m in members for i, b in enumerate(asked)}
    found: dict[tuple[str, int], object] = {}

    def work(member: EmbeddedMember) -> None:
        for number in (1, 0, 1):
            found[member.name, number] = member.generate(asked[number])

    threads = [threading.Thread(target=work, args=(m,)) for m in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_questions_that_alternate_cost_one_pass_of_the_trunk_each(
    members: tuple[EmbeddedMember, ...], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs, passes = members[0]._reader.graphs, list[object]()
    passed = graphs._passed

    def counted(encoded: Encoded) -> Floats:
        passes.append(encoded)
        return passed(encoded)

    monkeypatch.setattr(graphs, "_passed", counted)
    asked = [brief(database, q) for q in ("How many orders are there?", "List all customers")]
    for member in members:
        for one in asked:
            member.generate(one)
    assert len(passes) == len(asked)


def test_one_member_can_be_asked_for(members: tuple[EmbeddedMember, ...]) -> None:
    (only,) = load_members(["embedded/plan"])
    assert only.name == "embedded/plan"
    with pytest.raises(UnknownName, match="embedded/plan"):
        load_members(["embedded/plans"])


def test_one_member_may_try_more_than_the_others(database: Database) -> None:
    asked = brief(database, "How many orders are there?")
    plan, tables = load_members(
        ["embedded/plan", "embedded/tables"], beam=2, beams={"embedded/tables": 8}
    )
    assert len(tuple(plan.drafts(asked))) <= 2 < len(tuple(tables.drafts(asked))) <= 8


def test_a_schema_without_columns_gives_no_sql_that_runs(
    members: tuple[EmbeddedMember, ...],
) -> None:
    schema = Schema(name="e", tables=(Table(name="t", columns=(Column(name="only"),)),))
    for member in members:
        found = member.generate(Brief(question=Question(text="Count the rows"), schema=schema))
        assert all("only" in c.sql or "t" in c.sql for c in found)


@pytest.mark.parametrize("missing", ["manifest.json", "trunk.onnx", "plan.step.onnx"])
def test_damaged_weights_say_what_to_do(tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    (folder / missing).write_bytes(b"cut short")
    with pytest.raises(ModelError, match=r"embedded weights .* install quorumsql again"):
        load_members(folder=folder)


def test_weights_fit_this_code_and_their_size_limit() -> None:
    manifest = json.loads((WEIGHTS / "manifest.json").read_text(encoding="utf-8"))
    recorded = Path(__file__).parent / "data" / "forms" / "keywords.json"
    assert manifest["keywords"] == json.loads(recorded.read_text(encoding="utf-8"))
    sizes = {path.name: path.stat().st_size / 2**20 for path in WEIGHTS.iterdir()}
    reader = sizes.pop("reader.onnx")
    assert sum(sizes.values()) <= 55, "the members"
    assert reader <= 25, "the selector"
