"""A recording of a pool goes on only where it is of the same gold and the same databases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evals_cases import make_benchmark
from quorumsql.errors import ConfigError
from quorumsql.evals.recorded import read_gold, record_pool
from test_tune import LINES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_benchmark(tmp_path)
    lines = "".join(json.dumps(line) + "\n" for line in LINES)
    (tmp_path / "pool.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_other_gold_judges_a_recording_anew(folder: Path) -> None:
    arguments: dict[str, Any] = {
        "databases": folder / "database", "out": folder / "recorded.jsonl",
    }  # fmt: skip
    gold = dict(read_gold(folder / "questions.json"))
    first, _ = record_pool(folder / "pool.jsonl", **arguments, gold=gold)
    gold["0"] = "SELECT 0"  # what the second member had answered
    said: list[str] = []
    again, _ = record_pool(folder / "pool.jsonl", **arguments, gold=gold, tell=said.append)
    assert first.right is not None and again.right is not None
    assert (first.right[0].tolist(), again.right[0].tolist()) == (
        [True, False, False], [False, True, False],
    )  # fmt: skip
    assert (again.right[1:] == first.right[1:]).all()
    assert said == ["1 question has other gold than when it was recorded: judged anew."]
    whole = (folder / "recorded.jsonl").read_bytes()
    record_pool(folder / "pool.jsonl", **arguments, gold=gold, tell=said.append)
    assert (folder / "recorded.jsonl").read_bytes() == whole and len(said) == 1


def test_a_recording_on_other_databases_is_left_alone(folder: Path) -> None:
    record_pool(folder / "pool.jsonl", databases=folder / "database", out=folder / "r.jsonl")
    shutil.copytree(folder / "database", folder / "other")
    with pytest.raises(ConfigError, match="other questions or settings"):
        record_pool(folder / "pool.jsonl", databases=folder / "other", out=folder / "r.jsonl")
