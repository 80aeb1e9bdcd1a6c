"""`quorum examples`: a store that a user grows, swaps and shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command import complaint
from quorumsql.errors import UnknownName
from quorumsql.prompts.write import Shot
from quorumsql.stores.examples import ExampleStore
from test_llm_cli import quorum

SOLVED = ("Who lives in Lisbon?",
          "SELECT T1.name FROM customer T1 JOIN city T2 ON T1.home_city = T2.id "
          "WHERE T2.name = 'Lisbon'")  # fmt: skip


def kept(store: Path) -> list[dict[str, Any]]:
    done = quorum("examples", "list", "--store", store, "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_an_example_is_added_with_skeleton_and_minimal_schema(shop: Path, tmp_path: Path) -> None:
    store = tmp_path / "mine.jsonl"
    done = quorum("examples", "add", *SOLVED, "--db", shop, "--store", store)
    assert done.returncode == 0, done
    (example,) = kept(store)
    assert example["id"] == done.stdout.strip()
    assert example["approved"] is True
    assert example["tables"] == 2
    assert example["skeleton"] == "Who lives in <name>?"
    lines = example["schema"].splitlines()
    assert lines[0] == "city(id*, name)"
    assert "home_city" in lines[1] and "email" not in example["schema"]
    quorum("examples", "add", *SOLVED, "--db", shop, "--store", store)
    assert len(kept(store)) == 1, "the same example is kept once"


def test_an_example_must_run(shop: Path, tmp_path: Path) -> None:
    store = tmp_path / "mine.jsonl"
    for sql in ("SELECT nothing FROM customer", "DROP TABLE customer"):
        done = quorum("examples", "add", "What?", sql, "--db", shop, "--store", store)
        assert "does not run" in complaint(done, 2)
    assert not store.exists()


def test_imports_wait_for_approval(shop: Path, tmp_path: Path) -> None:
    store, file = tmp_path / "mine.jsonl", tmp_path / "in.json"
    records = [
        {"question": "How many products?", "query": "SELECT count(*) FROM product"},
        {"question": "How many cities?", "SQL": "SELECT count(*) FROM city", "evidence": "none"},
        {"question": "How?", "sql": "SELECT oops"},
    ]
    file.write_text(json.dumps(records), encoding="utf-8")
    done = quorum("examples", "import", file, "--db", shop, "--store", store)
    assert "2 new examples, 1 left out" in done.stderr
    assert ExampleStore(store).approved() == []
    first, second = kept(store)
    quorum("examples", "approve", first["id"][:6], "--store", store)
    assert [shot.question for shot in ExampleStore(store).approved()] == ["How many products?"]
    quorum("examples", "approve", "--all", "--store", store)
    quorum("examples", "remove", second["id"], "--store", store)
    assert [one["question"] for one in kept(store)] == ["How many products?"]
    assert "Unknown example" in complaint(quorum("examples", "approve", "x", "--store", store), 2)


def test_a_store_is_shared_by_importing_it(shop: Path, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs.jsonl", tmp_path / "ours.jsonl"
    quorum("examples", "add", *SOLVED, "--db", shop, "--store", theirs)
    ExampleStore(theirs).add(
        [Shot(question="a\u2028b", sql="SELECT 1")], database="shop", approved=False
    )
    done = quorum("examples", "import", theirs, "--approved", "--store", ours)
    assert "2 new" in done.stderr, "a line may hold other line breaks than the one that ends it"
    assert kept(ours)[0]["skeleton"] == kept(theirs)[0]["skeleton"]


def test_lines_that_are_damaged_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    store = ExampleStore(path)
    (first,) = store.add([Shot(question="a", sql="SELECT 1")], database="d", approved=True)
    with path.open("ab") as file:
        file.write(b'{"id": "cut", "question": "b\xff')
    (second,) = store.add([Shot(question="c", sql="SELECT 2")], database="d", approved=True)
    assert [one.id for one in store.all()] == [first.id, second.id]
    with pytest.raises(UnknownName):
        store.approve([""])
