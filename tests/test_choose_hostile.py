"""Pools that are hostile, through every way to choose that needs no names: reading included."""

from __future__ import annotations

import json
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals_cases import make_benchmark
from quorumsql.domain import Limits
from quorumsql.evals.pool import METHODS, PoolReport, choose_pool
from quorumsql.stages.execute import POOL_LIMITS

FREE = sorted(name for name, method in METHODS.items() if not method.named)
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
COUNTED = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {0}) SELECT "


def chosen(
    folder: Path, *pools: list[str], method: str, limits: Limits = POOL_LIMITS
) -> tuple[PoolReport, list[dict[str, Any]]]:
    """What is written for pools of statements about the database `pets`."""
    make_benchmark(folder)
    lines = [
        {
            "id": number,
            "db_id": "pets",
            "question": "How many pets are there?",
            "candidates": [{"generator": f"g{i}", "sql": sql} for i, sql in enumerate(sqls)],
        }
        for number, sqls in enumerate(pools)
    ]
    pool, out = folder / "pool.jsonl", folder / "out.jsonl"
    pool.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    report = choose_pool(pool, databases=folder / "database", out=out, method=method, limits=limits)
    return report, [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("method", FREE)
def test_none_one_and_five_hundred_candidates(tmp_path: Path, method: str) -> None:
    report, found = chosen(
        tmp_path,
        [],
        ["SELECT count(*) FROM pet"],
        ["SELECT nome FROM pet"],
        ["SELECT nome FROM pet", "DROP TABLE pet", "SELECT", "", ")("],
        [f"SELECT {n % 7} AS c{n}" for n in range(500)],
        method=method,
    )
    assert [one["id"] for one in found] == [0, 1, 2, 3, 4]
    none, alone, broken, failed, many = found
    assert (none["sql"], none["groups"]) == (None, 0)
    assert (alone["sql"], alone["group_size"]) == ("SELECT count(*) FROM pet", 1)
    assert (broken["sql"], broken["confidence"]) == ("SELECT nome FROM pet", 0.0)
    assert (failed["confidence"], failed["groups"]) == (0.0, 0)
    assert (many["group_size"], many["groups"]) in {(72, 7), (71, 7)}
    assert report.lines == 5 and 1 in dict(report.problems)


@pytest.mark.parametrize("method", FREE)
def test_odd_values_are_one_result_where_they_are_the_same(tmp_path: Path, method: str) -> None:
    odd = [
        "SELECT 9e999 - 9e999, NULL, 'a'",
        "SELECT NULL AS a, NULL AS a, 'a' AS a",
        'SELECT \'a\' AS "SELECT", NULL, NULL AS ""',
        "SELECT x'00', 1, '1', 9e999",
        "SELECT '1', 1.0, x'00', 9e999",
        "SELECT name, name, weight FROM pet",
        "SELECT weight, p.name, p.name FROM pet AS p",
    ]
    report, (found,) = chosen(tmp_path, odd, method=method)
    assert report.problems == ()
    assert (found["groups"], found["group_size"] in {2, 3}) == (3, True)


@pytest.mark.parametrize("method", FREE)
def test_a_candidate_that_never_ends_costs_its_deadline_and_the_others_are_chosen_among(
    tmp_path: Path, method: str
) -> None:
    limits = replace(POOL_LIMITS, seconds=0.5)
    began = time.monotonic()
    _, (found,) = chosen(
        tmp_path, [ENDLESS, "SELECT 4", "SELECT 2 + 2"], method=method, limits=limits
    )
    assert found["groups"] == 1 and found["sql"] in {"SELECT 4", "SELECT 2 + 2"}
    assert time.monotonic() - began < 60.0


@pytest.mark.parametrize(("method", "count"), [("majority", 1_000_000), ("trained", 100_000)])
def test_a_million_rows_are_compared_without_being_kept(
    tmp_path: Path, method: str, count: int
) -> None:
    long = [
        COUNTED.format(count) + "x FROM n",
        COUNTED.format(count) + f"{count + 1} - x FROM n",
        COUNTED.format(count) + "x + 1 FROM n",
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limits = replace(POOL_LIMITS, seconds=60.0)
    _, (found,) = chosen(tmp_path, long, method=method, limits=limits)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (found["groups"], found["group_size"] in {1, 2}) == (2, True)
    assert method == "trained" or found["sql"] in long[:2]
    assert grown < 150 * 1024, f"{grown / 1024:.0f} MB"  # a million rows as objects take more
