"""Filter expressions mean the same on the command line and, in `test_evals_report`, on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorumsql.errors import UsageError
from quorumsql.evals.features import FEATURES, features_of, level_of
from quorumsql.evals.filters import parse_filter

KNOWN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "filters.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("text", "fitting"), KNOWN["cases"])
def test_an_expression_lets_through(text: str, fitting: list[int]) -> None:
    found = parse_filter(text)
    assert [i for i, facts in enumerate(KNOWN["facts"]) if found.fits(facts)] == fitting


@pytest.mark.parametrize("text", KNOWN["errors"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_filter(text)


def test_a_misspelt_name_is_put_right() -> None:
    with pytest.raises(UsageError, match="Did you mean 'joins'"):
        parse_filter("jions > 1")


def test_the_place_of_an_error_is_named() -> None:
    with pytest.raises(UsageError, match="'joins' is a number or yes/no at position 9, found 'or'"):
        parse_filter("joins > or correct")


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        found = parse_filter(text)
    except UsageError:
        return
    assert found.fits(KNOWN["facts"][0]) in {True, False}


@pytest.mark.parametrize(
    ("sql", "counts"),
    [
        ("SELECT count(*) FROM a", {"tables": 1, "aggregates": 1, "columns": 1}),
        (
            "SELECT x, y FROM a JOIN b ON a.i = b.i WHERE x > 1 OR y LIKE 'z%'",
            {
                **{"tables": 2, "joins": 1, "columns": 2, "conditions": 2, "or": 1, "like": 1},
                "values": 2,
            },
        ),
        (
            "SELECT x FROM a WHERE i IN (SELECT i FROM b WHERE j = 2)",
            {"tables": 2, "columns": 1, "conditions": 2, "in": 1, "subquery": 1, "values": 1},
        ),
        (
            "SELECT x FROM a UNION SELECT x FROM b",
            {"tables": 2, "columns": 1, "union": 1, "setops": 1},
        ),
        (
            "WITH c AS (SELECT x FROM a) SELECT x FROM c ORDER BY x LIMIT 3",
            {"tables": 2, "columns": 1, "cte": 1, "orderby": 1, "limit": 1, "values": 1},
        ),
        ("SELECT rank() OVER (ORDER BY x) FROM a", {"window": 1, "tables": 1, "columns": 1}),
    ],
)
def test_features_are_counted(sql: str, counts: dict[str, int]) -> None:
    found = features_of(sql, "sqlite")
    assert found is not None
    assert {name: found.get(name) for name in counts} == counts
    assert not {"joins", "subquery", "setops", "cte"} & (found.keys() - counts.keys())
    assert found.keys() <= set(FEATURES)


def test_sql_that_does_not_parse_has_no_features() -> None:
    assert features_of("SELEKT (((", "sqlite") is None
    assert level_of("SELEKT (((", "sqlite") == ""


def test_hardness_is_the_official_one_on_recorded_questions(
    spider_dir: Path, pools_dir: Path
) -> None:
    dev = json.loads((spider_dir / "dev.json").read_text(encoding="utf-8"))
    official = {}
    with (pools_dir / "spider_dev_a_official.jsonl").open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            official[int(record["id"].rpartition("-")[2])] = record["hardness"]
    assert len(official) == 528
    assert {index: level_of(dev[index]["query"], "sqlite") for index in official} == official
