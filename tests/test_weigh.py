"""Votes and reading together: weights decide, names and order do not."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from quorumsql.domain import (
    Attempt,
    Candidate,
    Choice,
    Column,
    Failure,
    Question,
    Rows,
    Schema,
    Table,
)
from quorumsql.errors import ModelError, UsageError
from quorumsql.stages.weigh import Weigher, Weights, load_weights
from quorumsql.train.weights import fit_weights, simulated, write_weights

SCHEMA, QUESTION = Schema(name="x"), Question(text="How many?")


class Liking:
    """A reader that likes some texts."""

    def __init__(self, liked: dict[str, float]) -> None:
        self.liked = liked
        self.asked = 0

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        assert (question, schema) == (QUESTION, SCHEMA)
        self.asked += 1
        return tuple(self.liked.get(c.sql, -2.0) for c in candidates)


class Noting(Liking):
    """One that remembers which texts it was given."""

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        self.read = [one.sql for one in candidates]
        return super().score(question, candidates, schema)


class Never:
    """A reader that has no opinion."""

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        del question, schema
        return (0.0,) * len(candidates)


def candidate(name: str, sql: str, *values: object, weight: float = 1.0) -> Candidate:
    rows = Rows(columns=("n",), rows=tuple((v,) for v in values))
    return Candidate(generator=name, attempts=(Attempt(sql=sql, execution=rows),), weight=weight)


POOL = [
    candidate("a", "SELECT 1", 1),
    candidate("b", "SELECT 1 ", 1),
    candidate("c", "SELECT 2", 2),
    candidate("d", "SELECT 3", 3),
]


def pick(pool: Sequence[Candidate], reader: Liking, **weights: float) -> Choice:
    return Weigher(reader, Weights(of=weights)).choose(QUESTION, pool, SCHEMA)


def test_without_reading_the_vote_decides() -> None:
    choice = pick(POOL, Liking({"SELECT 2": 9.0}), log_share=1.0)
    assert choice.candidate is not None and POOL[choice.candidate].sql.strip() == "SELECT 1"
    assert choice.rule == "vote"


def test_reading_can_overrule_the_vote() -> None:
    choice = pick(POOL, Liking({"SELECT 2": 3.0}), log_share=1.0, best_read=1.0)
    assert choice.candidate == 2 and choice.rule == "judged"
    assert choice.groups[0].members == (2,)
    assert 0.9 < choice.confidence < 1.0


def test_signs_of_nonsense_count_against_a_result() -> None:
    table = Table(name="singer", columns=(Column(name="id", primary_key=True), Column(name="age")))
    schema = Schema(name="music", tables=(table,))
    pool = [
        candidate("a", "SELECT AVG(id) FROM singer", 1),
        candidate("b", "SELECT AVG(id) FROM singer", 1),
        candidate("c", "SELECT AVG(age) FROM singer", 2),
    ]
    for weight, best in ((0.0, 0), (-5.0, 2)):
        weigher = Weigher(Never(), Weights(of={"log_share": 1.0, "nonsense": weight}))
        assert weigher.choose(QUESTION, pool, schema).candidate == best


def test_neither_order_nor_names_matter() -> None:
    reader = Liking({"SELECT 2": 0.5, "SELECT 3": 0.4})
    found = set()
    for order in itertools.permutations(range(len(POOL))):
        pool = [
            Candidate(generator=f"g{place}", attempts=POOL[i].attempts)
            for place, i in enumerate(order)
        ]
        choice = pick(pool, reader, log_share=0.5, best_read=1.0)
        assert choice.candidate is not None
        found.add((pool[choice.candidate].sql, round(choice.confidence, 9)))
    assert len(found) == 1


def test_one_result_is_not_read() -> None:
    reader = Liking({})
    choice = pick(POOL[:2], reader, log_share=1.0)
    assert choice.rule == "unanimous" and reader.asked == 0


def test_what_nearly_nobody_wrote_is_not_read_and_cannot_win() -> None:
    pool = [
        candidate("a", "SELECT 1", 1, weight=0.5),
        candidate("a", "SELECT 1 + 0", 1, weight=0.02),
        candidate("a", "SELECT 2", 2, weight=0.46),
        candidate("a", "SELECT 3", 3, weight=0.02),
    ]
    reader = Noting({"SELECT 3": 9.0, "SELECT 1 + 0": 9.0, "SELECT 2": 1.0})
    weigher = Weigher(reader, Weights(of={"best_read": 1.0}), ranks={"a": 0})
    choice = weigher.choose(QUESTION, pool, SCHEMA)
    assert reader.read == ["SELECT 1", "SELECT 2"]
    assert choice.candidate == 2
    assert [group.members for group in choice.groups] == [(2,), (0, 1), (3,)]


def test_without_weights_for_reading_nothing_is_read() -> None:
    reader = Liking({"SELECT 2": 9.0})
    pool = [
        candidate("a", "SELECT 1", 1, weight=0.1),
        candidate("a", "SELECT 1 + 0", 1, weight=0.6),
        candidate("a", "SELECT 2", 2, weight=0.3),
    ]
    for weight, best in ((1.0, 0), (-1.0, 2)):
        weigher = Weigher(reader, Weights(of={"share": weight}), ranks={"a": 0})
        choice = weigher.choose(QUESTION, pool, SCHEMA)
        assert (choice.candidate, reader.asked) == (best, 0)
        assert choice.rule == ("unanimous" if best == 0 else "judged")


def test_many_candidates_of_one_vote_each_are_all_read() -> None:
    pool = [candidate(f"g{n}", f"SELECT {n}", n) for n in range(60)]
    reader = Noting({"SELECT 41": 3.0})
    choice = Weigher(reader, Weights(of={"best_read": 1.0})).choose(QUESTION, pool, SCHEMA)
    assert len(reader.read) == 60 and choice.candidate == 41


def test_members_votes_are_their_weights() -> None:
    pool = [
        candidate("a", "SELECT 1", 1, weight=0.3),
        candidate("a", "SELECT 2", 2, weight=0.7),
        candidate("b", "SELECT 1", 1, weight=0.6),
        candidate("b", "SELECT 2", 2, weight=0.4),
    ]
    weigher = Weigher(Liking({}), Weights(of={"share": 5.0}), ranks={"a": 0, "b": 1})
    choice = weigher.choose(QUESTION, pool, SCHEMA)
    assert choice.candidate is not None and pool[choice.candidate].sql == "SELECT 2"


def test_nothing_that_ran_is_nothing_to_choose() -> None:
    failed = Candidate(
        generator="a",
        attempts=(Attempt(sql="SELECT", execution=Failure(kind="error", message="no")),),
    )
    assert pick([failed], Liking({}), log_share=1.0).candidate is None
    assert pick([], Liking({}), log_share=1.0).candidate is None


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    write_weights(path, {"log_share": 0.5}, n=3)
    assert load_weights(path) == Weights(of={"log_share": 0.5})
    path.write_text(json.dumps({"weights": {"luck": 1}}), encoding="utf-8")
    with pytest.raises(ModelError, match="luck"):
        load_weights(path)
    with pytest.raises(ModelError, match="fit them again"):
        load_weights(tmp_path / "absent.json")


def test_fitting_finds_what_tells_right_groups() -> None:
    rng = random.Random(3)
    cases = []
    for _ in range(800):
        rows = [{"log_share": rng.gauss(0, 1), "best_read": rng.gauss(0, 1)} for _ in range(4)]
        values = [0.5 * r["log_share"] + 2.0 * r["best_read"] + rng.gauss(0, 0.8) for r in rows]
        cases.append((rows, [v == max(values) for v in values]))
    found = fit_weights(cases, names=("log_share", "best_read"))
    assert found["best_read"] > 2 * found["log_share"] > 0
    with pytest.raises(UsageError):
        fit_weights([(rows, [True] * 4)], names=("log_share",))


def test_simulated_systems_agree_on_easy_questions() -> None:
    right = [True, False, False, False]
    rng = random.Random(1)
    shares = []
    for _ in range(400):
        drawn = list(simulated(POOL, right, rng))
        assert 5 <= len(drawn) <= 26
        shares.append(sum(right[i] for i in drawn) / len(drawn))
    assert sum(s > 0.9 for s in shares) > 200
    assert sum(s < 0.5 for s in shares) > 20
