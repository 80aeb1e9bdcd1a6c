"""Votes are counted by result, and no order or name decides what votes should."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.domain import Candidate, Choice
from quorumsql.stages.choose import choose, group, majority
from scripted import failed, ran

NO_RANKS: Mapping[str, int] = {}


def picked(candidates: list[Candidate], choice: Choice) -> str:
    assert choice.candidate is not None
    return candidates[choice.candidate].sql


def pick(candidates: list[Candidate], ranks: Mapping[str, int] = NO_RANKS) -> str:
    return picked(candidates, choose(candidates, ranks=ranks, dialect="sqlite"))


def most(candidates: list[Candidate]) -> str:
    return picked(candidates, majority(candidates, dialect="sqlite"))


def test_the_shortest_sql_is_none_that_hardly_anybody_meant() -> None:
    pool = [
        ran("SELECT AVG(cost) FROM care WHERE day LIKE '2018%'", (7,), generator="a", weight=0.96),
        ran("SELECT AVG(cost) FROM care", (7,), generator="a", weight=0.04),
        ran("SELECT AVG(cost) FROM care WHERE day LIKE '2018%'", (7,), generator="b"),
    ]
    choice = choose(pool, ranks={"a": 0, "b": 1}, dialect="sqlite")
    assert choice.rule == "unanimous"
    assert picked(pool, choice) == pool[0].sql


def test_a_unanimous_ensemble_gives_its_shortest_sql() -> None:
    pool = [
        ran("SELECT count(id) FROM city", (5,), generator="a"),
        ran("SELECT count(*) FROM city", (5,), generator="b", weight=0.7),
        ran("SELECT 9", (9,), generator="b", weight=0.3),
    ]
    choice = choose(pool, ranks={"a": 0, "b": 1}, dialect="sqlite")
    assert picked(pool, choice) == "SELECT count(*) FROM city"
    assert choice.rule == "unanimous"
    assert choice.confidence == pytest.approx(0.85)
    assert [round(g.votes, 4) for g in choice.groups] == [0.85, 0.15]


def test_without_unanimity_votes_decide_then_the_measured_rank() -> None:
    pool = [
        ran("SELECT 1", (1,), generator="a"),
        ran("SELECT 2 AS much_longer", (2,), generator="b", weight=0.9),
        ran("SELECT 2", (2,), generator="c", weight=1.0),
    ]
    choice = choose(pool, ranks={"b": 0, "a": 1, "c": 2}, dialect="sqlite")
    assert picked(pool, choice) == "SELECT 2 AS much_longer"
    assert choice.rule == "vote"


def test_equal_votes_go_to_the_better_generator() -> None:
    pool = [ran("SELECT 1", (1,), generator="a"), ran("SELECT 22", (22,), generator="b")]
    assert pick(pool, {"a": 1, "b": 0}) == "SELECT 22"
    assert pick(pool, {"a": 0, "b": 1}) == "SELECT 1"
    assert pick(pool) == "SELECT 1"


def test_inside_a_group_of_one_generator_the_likelier_hypothesis_wins() -> None:
    pool = [
        ran("SELECT 2", (2,), generator="a", weight=0.2),
        ran("SELECT 1 + 1", (2,), generator="a", weight=0.7),
        ran("SELECT 3", (3,), generator="b", weight=0.1),
    ]
    assert pick(pool, {"a": 0, "b": 1}) == "SELECT 1 + 1"


def test_a_spread_beam_weighs_less_than_a_sure_one() -> None:
    pool = [
        ran("SELECT 1", (1,), generator="a", weight=0.4),
        ran("SELECT 3", (3,), generator="a", weight=0.6),
        ran("SELECT 2", (2,), generator="b", weight=1.0),
    ]
    assert pick(pool, {"a": 0, "b": 1}) == "SELECT 2"


def test_a_result_with_rows_wins_a_tie_against_an_empty_one() -> None:
    pool = [
        ran("SELECT 1 WHERE 0", generator="a"),
        ran("SELECT 'longer sql'", ("x",), generator="b"),
    ]
    assert pick(pool, {"a": 0, "b": 1}) == "SELECT 'longer sql'"
    assert most(pool) == "SELECT 'longer sql'"


def test_an_empty_result_wins_with_more_votes() -> None:
    pool = [ran("SELECT 1 WHERE 0"), ran("SELECT 2 WHERE 0"), ran("SELECT 3", (3,))]
    assert most(pool) == "SELECT 1 WHERE 0"


@pytest.mark.parametrize("pool", [[], [failed("SELECT x")], [ran("SELECT 1", (1,), weight=0.0)]])
def test_nothing_to_choose_from(pool: list[Candidate]) -> None:
    choice = choose(pool, ranks=NO_RANKS, dialect="sqlite")
    assert choice == Choice(candidate=None)


def test_failures_never_vote() -> None:
    pool = [failed("SELECT a"), failed("SELECT a"), failed("SELECT a"), ran("SELECT 1", (1,))]
    choice = majority(pool, dialect="sqlite")
    assert choice.candidate == 3
    assert choice.confidence == 1.0
    assert choice.groups[0].members == (3,)


def test_majority_gives_each_candidate_one_vote_and_ties_to_the_shortest_sql() -> None:
    pool = [
        ran("SELECT 1 + 0", (1,), weight=0.0),
        ran("SELECT 1", (1,), weight=0.0),
        ran("SELECT 2.0", (2.0,), weight=5.0),
        ran("SELECT 2", (2,), weight=5.0),
    ]
    choice = majority(pool, dialect="sqlite")
    assert picked(pool, choice) == "SELECT 1"
    assert choice.confidence == 0.5
    assert len(choice.groups) == 2


def test_row_order_counts_between_statements_that_order() -> None:
    up = ran("SELECT n FROM t ORDER BY n", (1,), (2,))
    down = ran("SELECT n FROM t ORDER BY n DESC", (2,), (1,))
    loose = ran("SELECT n FROM t", (2,), (1,))
    nested = ran("SELECT n FROM (SELECT n FROM t ORDER BY n)", (1,), (2,))
    pool = [up, down, loose, nested]
    assert group(pool, range(4), dialect="sqlite") == ((0,), (1,), (2, 3))


def test_a_single_row_has_no_order() -> None:
    pool = [
        ran("SELECT name FROM t ORDER BY n DESC LIMIT 1", ("x",)),
        ran("SELECT name FROM t WHERE n = (SELECT max(n) FROM t)", ("x",)),
    ]
    assert group(pool, range(2), dialect="sqlite") == ((0, 1),)


def test_what_did_not_run_is_in_no_group() -> None:
    assert group([failed("SELECT x"), ran("SELECT 1", (1,))], [0, 1], dialect="sqlite") == ((1,),)


def test_columns_in_another_order_are_the_same_result() -> None:
    pool = [ran("SELECT a, b", (1, "x"), (2, "y")), ran("SELECT b, a", ("y", 2), ("x", 1))]
    assert group(pool, range(2), dialect="sqlite") == ((0, 1),)


answers = st.builds(
    lambda text, value, name, weight: ran(
        f"SELECT {value} -- {text}",
        *([] if value == 0 else [(value,)]),
        generator=name,
        weight=weight / 10,
    ),
    st.text(alphabet="abc ", max_size=4),
    st.integers(min_value=0, max_value=3),
    st.sampled_from("xyz"),
    st.integers(min_value=0, max_value=10),
)


@settings(deadline=None)
@given(st.lists(answers, min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter_to_choose(pool, random) -> None:  # type: ignore[no-untyped-def]
    ranks = {"x": 1, "y": 0}
    shuffled = random.sample(pool, len(pool))
    before = choose(pool, ranks=ranks, dialect="sqlite")
    after = choose(shuffled, ranks=ranks, dialect="sqlite")
    assert (before.candidate is None) == (after.candidate is None)
    assert before.rule == after.rule
    assert [round(g.votes, 9) for g in before.groups] == [round(g.votes, 9) for g in after.groups]
    if before.candidate is not None:
        assert picked(pool, before) == picked(shuffled, after)


@settings(deadline=None)
@given(st.lists(answers, min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_neither_order_nor_names_matter_to_the_majority(pool, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = [
        ran(c.sql, *c.final.execution.rows, generator=random.choice("pqr"))
        for c in random.sample(pool, len(pool))
    ]
    assert most(pool) == most(shuffled)


@settings(deadline=None)
@given(st.lists(answers, min_size=1, max_size=9))
def test_groups_split_the_voters_and_votes_sum_to_one(pool: list[Candidate]) -> None:
    choice = choose(pool, ranks=NO_RANKS, dialect="sqlite")
    members = [index for one in choice.groups for index in one.members]
    assert sorted(members) == [n for n, c in enumerate(pool) if c.weight > 0]
    if choice.groups:
        assert sum(one.votes for one in choice.groups) == pytest.approx(1.0)
        assert choice.candidate in choice.groups[0].members
