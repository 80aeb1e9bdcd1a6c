"""The nouns of scoring: what is to be scored, and what came out.

What is not covered: how files become items (`score_files`) and items verdicts (`score_judge`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = ["Item", "Metric", "Options", "Status", "Verdict"]

Metric: TypeAlias = Literal["spider", "spider-exact", "bird", "bird-ves", "sql-eval", "strict"]

Status: TypeAlias = Literal[
    "right", "wrong", "error", "timeout", "cap", "refused", "missing", "unscored"
]
"""`error` to `refused` say why a prediction has no result; `missing` that there is none;
`unscored` that no verdict was possible, which is not the prediction's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One prediction and the gold it is held against.

    `position` is unique in a job; `index` is the 0-based place of the question in the gold file
    and `system` whose prediction it is. `category` is SQL-Eval's kind of question or BIRD's
    difficulty. `problem` says in words what was wrong with its line.
    """

    position: int
    index: int
    db_id: str
    gold: str
    prediction: str | None
    system: str = ""
    question: str = ""
    category: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came out for one item. None is no verdict: not asked for, or `reason` says why.

    `f1` and `reward` are what BIRD's soft F1 and R-VES give beside it. `hardness` is Spider's
    level, or what BIRD calls difficulty.
    """

    position: int
    status: Status
    exec: bool | None = None
    exact: bool | None = None
    f1: float | None = None
    reward: float | None = None
    reason: str = ""
    hardness: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to score. It pickles, so that worker processes can have it.

    Args:
        metric: which official script, or `strict`.
        db_dir: folder that holds `NAME/NAME.sqlite`, or None where `url` is given.
        url: a database's URL, `{db_id}` in it standing for the name.
        tables: Spider's tables.json, which exact match needs.
        keep_distinct: Spider's `--keep_distinct`.
        plug_value: Spider's `--plug_value`.
        share: give equal predictions for one question the same verdict without running them again.
        seconds: how long one statement may run.
        repeats: how often R-VES runs each statement; the official script has 100.
    """

    metric: Metric
    db_dir: Path | None = None
    url: str | None = None
    tables: Path | None = None
    keep_distinct: bool = False
    plug_value: bool = False
    share: bool = True
    seconds: float = 60.0
    repeats: int = 100
    rows: int = field(default=1_000_000)
    bytes: int = field(default=64 * 1024 * 1024)
