"""Each selector on pools made by hand, of which one knows what should come out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.domain import Candidate, Choice, Group, Question, Schema
from quorumsql.errors import UsageError
from quorumsql.ports import Selector
from quorumsql.stages.choose import Majority, Ranked
from quorumsql.stages.crossmax import Fused, crossmax
from quorumsql.stages.diversity import effective_number, result_kernel, tree_kernel, vendi
from quorumsql.stages.gem import gem_weights, shared_errors
from quorumsql.stages.portfolio import (
    Round,
    reweighted,
    round_of,
    rounds_in,
    weights_after,
)
from quorumsql.stages.present import FirstShown, Presented
from quorumsql.stages.weighted import (
    Measured,
    Weighted,
    load_measured,
    rank_weights,
    save_measured,
)
from scripted import failed, ran

QUESTION = Question(text="How many?")
SCHEMA = Schema(name="shop")


def pick(selector: Selector, pool: Sequence[Candidate]) -> str | None:
    choice = selector.choose(QUESTION, pool, SCHEMA)
    return None if choice.candidate is None else pool[choice.candidate].sql


class Script:
    """Reads candidates, remembers what it was shown, and takes the one at a place."""

    def __init__(self, place: int | None) -> None:
        self.place = place
        self.shown: list[list[str]] = []

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        del question, schema
        self.shown.append([one.sql for one in candidates])
        return Choice(candidate=self.place)


ALL = [
    Majority(),
    Ranked({"a": 0}),
    Weighted({"a": 1.0}),
    Presented(FirstShown(), {"a": 0}),
    Fused(),
]


@pytest.mark.parametrize("selector", ALL, ids=lambda one: type(one).__name__)
def test_pools_with_nothing_or_one_to_choose(selector: Selector) -> None:
    assert pick(selector, []) is None
    assert pick(selector, [failed("SELECT x"), failed("SELECT y")]) is None
    assert pick(selector, [failed("SELECT x"), ran("SELECT 1", (1,))]) == "SELECT 1"


@pytest.mark.parametrize("selector", ALL, ids=lambda one: type(one).__name__)
@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_order_of_candidates_never_matters(selector: Selector, random) -> None:  # type: ignore[no-untyped-def]
    pool = [
        ran("SELECT 1", (1,), generator="a"),
        ran("SELECT 0 + 1", (1,), generator="b"),
        ran("SELECT 2", (2,), generator="c"),
        ran("SELECT 1 + 1", (2,), generator="d"),
        ran("SELECT n FROM t", (1,), (2,), generator="e"),
        failed("SELECT m FROM t", generator="f"),
    ]
    shuffled = random.sample(pool, len(pool))
    one, other = (selector.choose(QUESTION, part, SCHEMA) for part in (pool, shuffled))
    assert pick(selector, pool) == pick(selector, shuffled)
    assert one.confidence == other.confidence
    assert [len(g.members) for g in one.groups] == [len(g.members) for g in other.groups]


def test_weights_can_outvote_a_majority() -> None:
    pool = [
        ran("SELECT 1", (1,), generator="good"),
        ran("SELECT 2", (2,), generator="bad"),
        ran("SELECT 1 + 1", (2,), generator="worse"),
    ]
    assert pick(Weighted({"good": 1.0, "bad": 0.4, "worse": 0.3}), pool) == "SELECT 1"
    assert pick(Weighted({"good": 1.0, "bad": 0.6, "worse": 0.5}), pool) == "SELECT 2"
    assert pick(Weighted({}), pool) == "SELECT 2"


def test_an_unknown_generator_counts_as_known_ones_do_on_average() -> None:
    pool = [ran("SELECT 1", (1,), generator="known"), ran("SELECT 22", (22,), generator="new")]
    assert pick(Weighted({"known": 1.0, "other": 3.0}), pool) == "SELECT 22"
    assert pick(Weighted({"known": 3.0, "other": 1.0}), pool) == "SELECT 1"


def test_weights_that_are_all_zero_decide_nothing() -> None:
    pool = [
        ran("SELECT 1", (1,), generator="a"),
        ran("SELECT 22", (22,), generator="b"),
        ran("SELECT 2 * 11", (22,), generator="c"),
    ]
    assert pick(Weighted({"a": 0.0, "b": 0.0, "c": 0.0}), pool) == "SELECT 22"


def test_places_become_weights() -> None:
    assert rank_weights({"x": 2, "y": 0, "z": 1}) == {
        "x": pytest.approx(1 / 3),
        "y": 1.0,
        "z": pytest.approx(2 / 3),
    }
    assert rank_weights({}) == {}


def test_what_was_measured_is_kept_in_a_file(tmp_path: Path) -> None:
    known = Measured(ranks={"a": 0, "b": 1}, gem={"a": 0.75, "b": 0.25})
    save_measured(known, tmp_path / "weights.json")
    assert load_measured(tmp_path / "weights.json") == known


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ranks": {"a": "best"}}', '{"gem": {"a": -1}}'])
def test_a_file_without_weights_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "weights.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"weights\.json"):
        load_measured(tmp_path / "weights.json")
    with pytest.raises(UsageError, match="cannot be read"):
        load_measured(tmp_path / "none.json")


def test_errors_count_as_shared_only_where_the_wrong_result_is_the_same() -> None:
    groups = np.array([[0, 0, 1], [0, 1, 1], [0, 1, 2], [0, 0, -1]])
    right = np.array([[False, False, True], [True, False, False], [False] * 3, [True, True, False]])
    found = shared_errors(groups, right)
    assert found.tolist() == [[0.5, 0.25, 0.0], [0.25, 0.75, 0.25], [0.0, 0.25, 0.75]]


def test_independent_members_weigh_by_their_errors() -> None:
    weights = gem_weights(np.diag([0.1, 0.2, 0.4]), shrink=0.0)
    assert weights == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-6)
    assert gem_weights(np.diag([0.1, 0.2, 0.4]), shrink=1.0) == pytest.approx([1 / 3] * 3)


def test_two_members_with_one_mind_share_one_vote() -> None:
    twins = np.array([[0.2, 0.2, 0.0], [0.2, 0.2, 0.0], [0.0, 0.0, 0.2]])
    one, other, third = gem_weights(twins, shrink=0.01)
    assert one == pytest.approx(other)
    assert third == pytest.approx(0.5, abs=0.01)


def test_no_weight_is_negative() -> None:
    # The inverse would give the second member less than nothing.
    errors = np.array([[0.1, 0.15], [0.15, 0.4]])
    assert np.linalg.inv(errors).sum(axis=1)[1] < 0
    assert gem_weights(errors, shrink=0.0) == pytest.approx([1.0, 0.0])


def test_the_weights_are_the_quotient_of_the_method_where_that_is_positive() -> None:
    errors = np.array([[0.3, 0.1, 0.05], [0.1, 0.25, 0.02], [0.05, 0.02, 0.4]])
    inverse = np.linalg.inv(errors)
    assert gem_weights(errors, shrink=0.0) == pytest.approx(inverse.sum(axis=1) / inverse.sum())


def test_members_without_errors_or_questions_are_equal() -> None:
    assert gem_weights(np.zeros((2, 2))) == (0.5, 0.5)
    none = shared_errors(np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2), dtype=bool))
    assert gem_weights(none) == (0.5, 0.5)
    assert gem_weights(np.zeros((0, 0))) == ()


def test_crossmax_does_not_let_one_loud_predictor_decide() -> None:
    scores = np.array([[100.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
    assert scores.mean(axis=0).argmax() == 0
    assert crossmax(scores).argmax() == 1
    assert crossmax(scores, k=1).tolist() == [0.0, 0.0, -1.0]


def test_crossmax_takes_the_second_step_with_four_predictors() -> None:
    scores = np.array([[3.0, 1.0], [3.0, 1.0], [1.0, 2.0], [2.0, 1.0]])
    first = scores - scores.max(axis=1, keepdims=True)
    assert crossmax(scores).tolist() == np.median(first - first.max(axis=0), axis=0).tolist()


def test_half_right_candidates_speak_for_the_group_they_are_close_to() -> None:
    pool = [
        ran("SELECT name FROM city WHERE people > 10", ("Nord",), ("Ost",), generator="a"),
        ran("SELECT name FROM city WHERE people > 11", ("Nord",), generator="b"),
        ran("SELECT max(day) FROM logs", ("2020-01-01",), generator="c"),
        ran("SELECT max(day) FROM logs t", ("2020-01-01",), generator="d"),
        ran("SELECT name, people FROM city WHERE people > 10", ("Nord", 12), generator="e"),
        ran("SELECT name FROM city WHERE people > 10 LIMIT 1", ("Nord",), generator="f"),
    ]
    assert pick(Fused(), pool) == "SELECT name FROM city WHERE people > 11"


def test_a_unanimous_pool_gives_its_shortest_statement_unread() -> None:
    reader = Script(0)
    pool = [ran("SELECT 1 + 0", (1,)), ran("SELECT 1", (1,)), failed("SELECT")]
    assert pick(Presented(reader), pool) == "SELECT 1"
    assert reader.shown == []


def test_a_clear_majority_is_shown_whole_group_after_group() -> None:
    reader = Script(3)
    pool = [
        ran("SELECT 7", (7,), generator="b"),
        ran("SELECT 11", (1,), generator="a"),
        ran("SELECT 1", (1,), generator="b"),
        ran("SELECT 8", (8,), generator="a"),
    ]
    choice = Presented(reader, {"a": 0, "b": 1}).choose(QUESTION, pool, SCHEMA)
    assert reader.shown == [["SELECT 11", "SELECT 1", "SELECT 8", "SELECT 7"]]
    assert choice.candidate == 0
    assert choice.rule == "judged"
    assert choice.groups[0] == Group(members=(0,), votes=0.25)


def test_without_a_majority_the_shortest_of_each_group_is_shown() -> None:
    reader = Script(1)
    pool = [
        *(ran(sql, (1,), generator=name) for sql, name in (("SELECT 11", "a"), ("SELECT 1", "b"))),
        ran("SELECT 2", (2,), generator="c"),
        ran("SELECT 3", (3,), generator="d"),
        ran("SELECT 4", (4,), generator="a"),
    ]
    assert pick(Presented(reader, {"a": 0, "b": 1, "c": 2, "d": 3}), pool) == "SELECT 4"
    assert reader.shown == [["SELECT 1", "SELECT 4", "SELECT 2", "SELECT 3"]]


def test_a_reader_that_cannot_choose_leaves_the_vote() -> None:
    pool = [ran("SELECT 2", (2,)), ran("SELECT 1", (1,)), ran("SELECT 0+1", (1,))]
    assert pick(Presented(Script(None)), pool) == "SELECT 1"


def verdict(right: bool, **shares: float) -> Round:
    return Round(shares=shares, right=right)


def test_the_portfolio_follows_the_best_member() -> None:
    rounds = [verdict(True, a=1.0, b=0.0, c=0.0)] * 20
    weights = weights_after(rounds, "abc")
    assert weights["a"] > 2.5 > 0.5 > weights["b"]
    assert weights["b"] == pytest.approx(weights["c"], rel=0.3)
    assert sum(weights.values()) == pytest.approx(3.0)


def test_a_rejection_speaks_only_of_the_group_shown() -> None:
    weights = weights_after([verdict(False, a=1.0, b=1.0, c=0.0)] * 10, "abc")
    assert weights["c"] > 2 > weights["a"]
    split = weights_after([verdict(False, a=1.0, b=0.5, c=0.5)] * 10, "abc")
    assert split["a"] < split["b"]
    assert split["b"] == pytest.approx(split["c"], rel=0.15)


def test_without_verdicts_and_with_a_member_that_slept_nothing_moves() -> None:
    assert weights_after([], "ab") == {"a": 1.0, "b": 1.0}
    assert weights_after([], "") == {}
    weights = weights_after([verdict(True, b=1.0, c=0.0)] * 12, "abc")
    assert weights["b"] > weights["a"] > weights["c"]


def test_who_voted_for_the_answer_shown() -> None:
    pool = [
        ran("SELECT 1", (1,), generator="a", weight=0.75),
        ran("SELECT 2", (2,), generator="a", weight=0.25),
        ran("SELECT 0 + 1", (1,), generator="b"),
        ran("SELECT 3", (3,), generator="c"),
        failed("SELECT x", generator="d"),
    ]
    choice = Ranked().choose(QUESTION, pool, SCHEMA)
    found = round_of(pool, choice, right=True)
    assert found == verdict(True, a=0.75, b=1.0, c=0.0)
    assert round_of(pool[-1:], Choice(candidate=None), right=False) is None
    assert found is not None
    bad: list[dict[str, object]] = [
        {"shares": {"a": 2.0}, "right": True},
        {"shares": {}, "right": "yes"},
        {},
    ]
    good = {"shares": dict(found.shares), "right": True}
    assert rounds_in([*bad, good]) == (found,)


def test_learned_weights_change_who_wins() -> None:
    pool = [
        ran("SELECT 1", (1,), generator="a"),
        ran("SELECT 22", (22,), generator="b"),
        ran("SELECT 2 * 11", (22,), generator="c"),
    ]
    weights = weights_after([verdict(True, a=1.0, b=0.0, c=0.0)] * 10, "abc")
    assert pick(Ranked(), pool) == "SELECT 22"
    assert pick(Ranked(), reweighted(pool, weights)) == "SELECT 1"


def test_the_vendi_score_counts_what_differs() -> None:
    assert vendi(np.eye(4)) == pytest.approx(4.0)
    assert vendi(np.ones((4, 4))) == pytest.approx(1.0)
    assert vendi(np.eye(2), [3.0, 1.0]) == pytest.approx(
        np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    )


def test_effective_number_of_candidates() -> None:
    same = [ran("SELECT 1", (1,)) for _ in range(5)]
    apart = [ran("SELECT name FROM city", ("x",)), ran("DELETE", (1, 2))]

    def number(pool: list[Candidate]) -> float:
        return effective_number(pool, Majority().choose(QUESTION, pool, SCHEMA), dialect="sqlite")

    assert number(same) == pytest.approx(1.0)
    assert number(apart) == pytest.approx(2.0)
    assert 1.0 < number([*same, ran("SELECT 2", (2,))]) < 2.0
    assert number([failed("SELECT x")]) == 0.0
    assert number([*same[:1], failed("SELECT x")]) == 1.0
    assert number([ran(f"SELECT {n}", (n,)) for n in range(200)]) < 48.1


values = st.one_of(st.none(), st.integers(0, 3), st.floats(), st.text(max_size=2), st.just([1]))
pools = st.lists(
    st.builds(
        lambda sql, rows: ran(sql, *[(row,) for row in rows]),
        st.sampled_from(["SELECT 1", "SELECT a FROM t", "SELECT a, b FROM t AS x", "nonsense ("]),
        st.lists(values, max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(pools)
def test_kernels_are_positive_semi_definite_with_unit_diagonal(pool: list[Candidate]) -> None:
    groups = [[place] for place in range(len(pool))]
    for kernel in (result_kernel(pool, groups), tree_kernel(pool, "sqlite")):
        assert np.allclose(np.diag(kernel), 1.0)
        assert np.allclose(kernel, kernel.T)
        assert np.linalg.eigvalsh(kernel).min() > -1e-9
        assert 1.0 - 1e-9 <= vendi(kernel) <= len(pool) + 1e-9
