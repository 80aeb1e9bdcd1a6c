"""The right answer cannot reach a selector: not by types, not by imports, not while it runs."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import quorumsql
from evals_cases import make_benchmark
from quorumsql.domain import Candidate, Question, Schema
from quorumsql.evals.pool import METHODS, choose_pool
from quorumsql.ports import Reader, Selector
from quorumsql.stages.weighted import Measured, save_measured

ROOT = Path(quorumsql.__file__).parent
TELLING = {"gold", "query", "expected", "correct", "right", "label", "verdict", "exec", "answer"}
BELOW = ("domain.py", "ports.py", "results.py", "sql.py", "pipeline.py", "stages", "neural")
POOL_FILES = ("evals/pool.py", "evals/pool_lines.py")


def reachable(kind: Any, seen: set[type]) -> Iterator[type]:
    """Every dataclass that a value of this type can hold."""
    for inner in typing.get_args(kind):
        yield from reachable(inner, seen)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind not in seen:
        seen.add(kind)
        yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from reachable(hint, seen)


def test_a_selector_is_given_question_candidates_and_schema_alone() -> None:
    hints = typing.get_type_hints(Selector.choose)
    assert list(hints) == ["question", "candidates", "schema", "return"]
    assert hints["question"] is Question
    assert typing.get_args(hints["candidates"]) == (Candidate,)
    assert hints["schema"] is Schema
    read = typing.get_type_hints(Reader.score)
    assert list(read) == ["question", "candidates", "schema", "return"]


def test_nothing_that_a_selector_sees_has_a_place_for_the_right_answer() -> None:
    seen: set[type] = set()
    kinds = [one for start in (Question, Candidate, Schema) for one in reachable(start, seen)]
    assert {one.__name__ for one in kinds} >= {"Question", "Candidate", "Attempt", "Rows", "Table"}
    for kind in kinds:
        names = {one.name for one in dataclasses.fields(kind)}
        assert not names & TELLING, kind.__name__
        for name, hint in typing.get_type_hints(kind).items():
            loose = hint is Any or typing.get_origin(hint) in {dict, Mapping}
            assert not loose, f"{kind.__name__}.{name} could carry anything"


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_what_chooses_imports_nothing_that_knows_right_answers() -> None:
    for part in BELOW:
        place = ROOT / part
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for name in imported(path):
                assert not name.startswith(("quorumsql.evals", "quorumsql.train")), path.name


def test_pools_are_read_without_the_readers_of_gold() -> None:
    allowed = {
        *("quorumsql.evals.datasets.database_file", "quorumsql.evals.predictions.encodable"),
        "quorumsql.evals.predictions.write_atomically",
    }
    for part in POOL_FILES:
        for name in imported(ROOT / part):
            known = name in allowed or name.startswith("quorumsql.evals.pool_lines.")
            assert known or not name.startswith(("quorumsql.evals", "quorumsql.train")), name


def made(name: str) -> Selector:
    """The selector of a method."""
    return METHODS[name].make(Measured(ranks={"a": 0}, gem={"a": 1.0}))


def test_every_selector_lives_where_right_answers_are_unknown() -> None:
    for name in METHODS:
        maker = type(made(name))
        assert maker.__module__.startswith(("quorumsql.stages.", "quorumsql.neural.")), name


LINE: dict[str, Any] = {
    "id": "q",
    "db_id": "pets",
    "question": "How many pets?",
    "candidates": [
        {"generator": "a", "sql": "SELECT count(*) FROM pet"},
        {"generator": "b", "sql": "SELECT count(name) FROM pet WHERE id > 1"},
        {"generator": "c", "sql": "SELECT 4"},
        {"generator": "d", "sql": "SELECT max(id) - 1 FROM pet"},
        {"generator": "e", "sql": "SELECT nome FROM pet"},
    ],
}


def told(gold: str, right: str) -> dict[str, Any]:
    """The line with the right answer in every place in which somebody might leave it."""
    return {
        **LINE,
        **{key: gold for key in ("gold", "query", "answer", "SQL", "expected")},
        "correct": [one["sql"] == right for one in LINE["candidates"]],
        "candidates": [
            {**one, "correct": one["sql"] == right, "exec": int(one["sql"] == right), "gold": gold}
            for one in LINE["candidates"]
        ],
    }


GOLDS = [
    ("SELECT count(*) FROM pet", "SELECT 4"),
    ("SELECT 3", "SELECT max(id) - 1 FROM pet"),
    ("nonsense", "SELECT nome FROM pet"),
]


@pytest.mark.parametrize("method", METHODS)
def test_choices_are_the_same_bytes_whatever_the_right_answer_is(
    tmp_path: Path, method: str
) -> None:
    made(method)
    make_benchmark(tmp_path)
    weights = tmp_path / "weights.json"
    save_measured(Measured(ranks={"a": 1, "b": 0}, gem={"a": 0.3, "b": 0.7}), weights)
    found = set()
    for line in (LINE, *(told(*gold) for gold in GOLDS)):
        pool, out = tmp_path / "pool.jsonl", tmp_path / "out.jsonl"
        pool.write_text(json.dumps(line) + "\n", encoding="utf-8")
        choose_pool(
            *(pool,), databases=tmp_path / "database", out=out, method=method, weights=weights
        )
        found.add(out.read_bytes())
    assert len(found) == 1


WATCHED = """
import sys
from pathlib import Path
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from quorumsql.evals.pool import choose_pool
folder = Path(sys.argv[1])
choose_pool(folder / "pool.jsonl", databases=folder / "database", out=folder / "out.jsonl")
print("\\n".join(name for name in opened if name.startswith(sys.argv[1])))
"""


def test_files_beside_the_pool_and_the_databases_are_never_opened(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    (tmp_path / "pool.jsonl").write_text(json.dumps(LINE) + "\n", encoding="utf-8")
    for place in ("gold.sql", "dev.json", "pool_official.jsonl", "database/pets/gold.json"):
        (tmp_path / place).write_text("SELECT 4\tpets\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    names = {Path(line).name for line in done.stdout.splitlines()}
    assert "pool.jsonl" in names
    assert {name for name in names if not name.endswith(".partial")} <= {
        *("pool.jsonl", "pets.sqlite"),
    }
