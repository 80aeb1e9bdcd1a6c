"""The promise about errors: kept on new questions, and honest when it is out of reach."""

from __future__ import annotations

import random

import pytest

from quorumsql.errors import ConfigError
from quorumsql.stages.calibrate import confidence, fit, promised
from quorumsql.stages.guarantee import RATES, guarantees, sure_share


def drawn(count: int, rng: random.Random) -> tuple[list[float], list[bool]]:
    """Questions whose chance of a right answer is their share."""
    shares = [rng.random() for _ in range(count)]
    return shares, [rng.random() < share for share in shares]


def test_the_promise_is_kept_on_new_questions_in_nineteen_of_twenty_draws() -> None:
    rng = random.Random(5)
    kept = []
    for _ in range(200):
        share = sure_share(*drawn(1_000, rng), rate=0.2)
        if share is not None:
            kept.append((1 - share) / 2 <= 0.2)  # the true rate of errors above `share`
    assert len(kept) >= 190 and sum(kept) >= 0.95 * len(kept)


def clustered(count: int, rng: random.Random) -> tuple[list[float], list[bool], list[int]]:
    """Questions of `count` databases that differ much: whole databases are hard or easy."""
    shares, correct, names = [], [], []
    for name in range(count):
        skill = rng.gauss(0.75, 0.2)
        for _ in range(30):
            share = rng.random()
            shares.append(share)
            correct.append(rng.random() < min(max(skill + 0.5 * (share - 0.5), 0.0), 1.0))
            names.append(name)
    return shares, correct, names


def test_the_promise_is_kept_on_new_databases_whose_questions_resemble_each_other() -> None:
    rng = random.Random(7)
    kept: dict[bool, list[bool]] = {False: [], True: []}
    for _ in range(60):
        shares, correct, names = clustered(30, rng)
        new_shares, new_correct, _ = clustered(30, rng)
        for aware in (False, True):
            share = sure_share(shares, correct, rate=0.22, databases=names if aware else None)
            if share is not None:
                answered = [r for s, r in zip(new_shares, new_correct, strict=True) if s >= share]
                kept[aware].append(answered.count(False) <= 0.22 * len(answered))
    assert sum(kept[True]) >= 0.95 * len(kept[True])
    assert sum(kept[False]) < 0.95 * len(kept[False])  # what taking them for independent costs
    assert len(kept[True]) >= 20


def test_errors_that_gather_in_few_databases_are_not_promised_away() -> None:
    """One database in six is wrong half of the time; a set without any must not promise 5 %."""
    rng = random.Random(11)

    def few() -> tuple[list[float], list[bool], list[int]]:
        shares, correct, names = [], [], []
        for name in range(15):
            error = 0.5 if rng.random() < 1 / 6 else 0.01
            for _ in range(30):
                shares.append(rng.random())
                correct.append(rng.random() >= error)
                names.append(name)
        return shares, correct, names

    broken = {rate: 0 for rate in (0.05, 0.08, 0.15)}
    for _ in range(100):
        shares, correct, names = few()
        new, outcomes, _ = few()
        for rate in broken:
            least = sure_share(shares, correct, rate=rate, databases=names)
            answered = [r for s, r in zip(new, outcomes, strict=True) if least and s >= least]
            broken[rate] += answered.count(False) > rate * len(answered)
    assert max(broken.values()) <= 5


def test_databases_without_any_error_show_the_less_the_fewer_they_are() -> None:
    found = {}
    for count in (6, 12, 60):
        names = [number % count for number in range(count * 30)]
        rates = dict(guarantees([0.9] * len(names), [True] * len(names), databases=names))
        found[count] = min(rates, default=1.0)
    assert found[60] < found[12] < found[6]
    assert found[60] <= 0.05 and found[12] <= 0.2


def test_a_few_databases_promise_nothing() -> None:
    assert sure_share([0.9] * 400, [True] * 400, rate=0.1, databases=["a", "b"] * 200) is None
    many = [number % 20 for number in range(400)]
    assert sure_share([0.9] * 400, [True] * 400, rate=0.1, databases=many) == 0.9


def test_a_looser_rate_answers_more() -> None:
    found = dict(guarantees(*drawn(2_000, random.Random(1))))
    assert set(found) <= set(RATES) and len(found) >= 6
    shares = [found[rate] for rate in sorted(found)]
    assert shares == sorted(shares, reverse=True)


def test_what_the_questions_do_not_show_is_not_promised() -> None:
    assert sure_share([0.9] * 20, [True] * 20, rate=0.05) is None  # too few
    assert sure_share([0.9] * 500, [False] * 500, rate=0.3) is None
    assert guarantees([], []) == ()


def test_a_calibration_turns_a_rate_into_a_confidence() -> None:
    shares, correct = drawn(3_000, random.Random(2))
    calibration = fit(shares, correct)
    loose, strict = promised(0.3, calibration), promised(0.12, calibration)
    assert 0 < loose < strict < 1
    lowest = dict(calibration.guarantees)[0.1]  # 0.12 is kept by what keeps 0.1
    assert strict == confidence(lowest, calibration)


def test_a_rate_out_of_reach_says_what_is_in_reach() -> None:
    calibration = fit(*drawn(3_000, random.Random(3)))
    with pytest.raises(ConfigError, match=r"max_error 0\.001 .* smallest .* 0\.\d+"):
        promised(0.001, calibration)
    with pytest.raises(ConfigError, match=r"the 4 questions .* show no rate"):
        promised(0.2, fit([0.2, 0.4, 0.6, 0.8], [False, True, False, True]))
    with pytest.raises(ConfigError, match="nothing was measured"):
        promised(0.2, fit([], []))
