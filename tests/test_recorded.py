"""A recording of a pool goes on only where it is of the same gold and the same databases."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from quorumsql.errors import ConfigError
from quorumsql.evals.recorded import read_gold, record_pool
from test_tune import write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


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
