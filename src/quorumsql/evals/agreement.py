"""What the generators of a run reach alone, together, and at best and worst.

A generator's own accuracy is that of its best surviving hypothesis: of its candidates that have a
vote left after refining, the one with the largest weight, the earlier one on a tie. `majority`
gives every generator one vote, for that hypothesis, and breaks ties by the shortest SQL. The
`oracle` is right when any candidate is, the `lower_bound` when every candidate that ran is: no
choice does better, or worse. Questions are unanimous when every generator has a hypothesis and all
have the same result. A generator was called for a question when it has a candidate there, so a
cascade's savings are counted; one that failed counts as not called.

Source: XiYan-SQL, arXiv 2507.04701: upper and lower bound (Figure 4), contribution of generators to
the answers that are not unanimous (Table VIII), and by how many generators a question is answered
right (Table XI).

What is not covered: what other ways to choose would have reached (`ablate`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from quorumsql.evals.metrics import Estimate, accuracy, mcnemar, paired_difference
from quorumsql.evals.predictions import Prediction, Vote

__all__ = ["best_votes", "ensemble", "estimated"]

_Best: TypeAlias = Mapping[str, Vote]
_RAN = frozenset({"ok", "empty"})


def estimated(values: Sequence[float], clusters: Sequence[str]) -> dict[str, Any]:
    """Return a mean and its interval as plain JSON; no value is null, not 0."""
    if not values:
        return {"value": None, "ci95": None}
    return _plain(accuracy(values, clusters))


def best_votes(prediction: Prediction) -> dict[str, Vote]:
    """Return each generator's best surviving hypothesis; one with none is absent."""
    best: dict[str, Vote] = {}
    for vote in prediction.candidates:
        if vote.status not in _RAN or vote.weight <= 0:
            continue
        if vote.generator not in best or vote.weight > best[vote.generator].weight:
            best[vote.generator] = vote
    return best


def ensemble(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return the figures that need the candidates; nothing when no answer carries any."""
    names = sorted({vote.generator for p in predictions for vote in p.candidates})
    if not names:
        return {}
    clusters = [p.db_id for p in predictions]
    own = [p.correct for p in predictions]
    votes = [best_votes(p) for p in predictions]
    right = {name: [name in b and b[name].correct for b in votes] for name in names}
    members = {name: accuracy(right[name], clusters) for name in names}
    leader = max(names, key=lambda name: (members[name].value, name))
    majority = [_majority(best) for best in votes]
    same = [_unanimous(best, len(names)) for best in votes]
    return {
        "members": {name: _plain(members[name]) for name in names},
        "best_member": leader,
        "majority": _plain(accuracy(majority, clusters)),
        **_bounds(predictions, votes, clusters),
        "unanimity": _unanimity(predictions, same),
        "contributions": _contributions(predictions, votes, same, names),
        "calls": _calls(predictions, names),
        "ensemble_minus_best_member": {
            **_plain(paired_difference(own, right[leader], clusters)),
            "mcnemar_p": mcnemar(own, right[leader]),
        },
        "ensemble_minus_majority": _plain(paired_difference(own, majority, clusters)),
    }


def _bounds(
    predictions: Sequence[Prediction], votes: Sequence[_Best], clusters: Sequence[str]
) -> dict[str, Any]:
    """The best and the worst that any choice could have reached."""
    ran = [[v for v in p.candidates if v.status in _RAN] for p in predictions]
    found = {
        "oracle": [any(v.correct for v in p.candidates) for p in predictions],
        "oracle_of_members": [any(v.correct for v in best.values()) for best in votes],
        "lower_bound": [bool(pool) and all(v.correct for v in pool) for pool in ran],
        "lower_bound_of_members": [
            bool(best) and all(v.correct for v in best.values()) for best in votes
        ],
    }
    return {name: _plain(accuracy(each, clusters)) for name, each in found.items()}


def _unanimity(predictions: Sequence[Prediction], same: Sequence[bool]) -> dict[str, Any]:
    """How often all agree, and how often they are right then."""
    agreed = [p for p, one in zip(predictions, same, strict=True) if one]
    rate = accuracy(same, [p.db_id for p in predictions])
    right = estimated([p.correct for p in agreed], [p.db_id for p in agreed])
    return {
        "rate": rate.value,
        "ci95": [rate.low, rate.high],
        "accuracy": right["value"],
        "accuracy_ci95": right["ci95"],
        "n": len(agreed),
    }


def _calls(predictions: Sequence[Prediction], names: Sequence[str]) -> dict[str, Any]:
    """How many calls of generators the questions took, of how many if all had been called.

    `saved` is the share that was not made, `alone` the share of questions with one call. Questions
    that nobody answered are left out.
    """
    asked = [{v.generator for v in p.candidates} for p in predictions if p.candidates]
    made, most = sum(map(len, asked)), len(names) * len(asked)
    return {
        "made": made,
        "of": most,
        "saved": 1 - made / most,
        "alone": sum(len(one) == 1 for one in asked) / len(asked),
        "by_generator": {name: sum(name in one for one in asked) for name in names},
    }


def _contributions(
    predictions: Sequence[Prediction],
    votes: Sequence[_Best],
    same: Sequence[bool],
    names: Sequence[str],
) -> dict[str, Any]:
    """What each generator gives where they do not all agree.

    `answers` is the share of these questions whose answer is its statement (one that several
    wrote is shared between them), `agrees` the share whose answer has the result of its
    hypothesis, `right` how often that is right, `alone` how often no other generator's is.
    `right_with` counts, over all questions, by how many generators a question is answered right
    when it does: "R1" by it alone.
    """
    apart = [(p, best) for p, best, one in zip(predictions, votes, same, strict=True) if not one]
    clusters = [p.db_id for p, _ in apart]

    def figures(name: str) -> dict[str, Any]:
        right = [{n for n, vote in best.items() if vote.correct} for _, best in apart]
        shares: dict[str, list[float]] = {
            "answers": [_credit(p).get(name, 0.0) for p, _ in apart],
            "agrees": [name in best and _is_of_answer(best[name], p) for p, best in apart],
            "right": [name in found for found in right],
            "alone": [found == {name} for found in right],
        }
        return {
            **{key: estimated(values, clusters) for key, values in shares.items()},
            "right_with": _right_with(name, votes),
        }

    return {"n": len(apart), "generators": {name: figures(name) for name in names}}


def _right_with(name: str, votes: Sequence[_Best]) -> dict[str, float]:
    """The share of all questions that so many generators, `name` among them, answer right."""
    right = [{n for n, vote in best.items() if vote.correct} for best in votes]
    counts = Counter(f"R{len(found)}" for found in right if name in found)
    return {key: count / len(votes) for key, count in sorted(counts.items())}


def _credit(prediction: Prediction) -> dict[str, float]:
    """Whose statement the answer is, in equal parts."""
    writers = {v.generator for v in prediction.candidates if v.sql == prediction.sql}
    return dict.fromkeys(writers, 1 / len(writers)) if writers else {}


def _is_of_answer(vote: Vote, prediction: Prediction) -> bool:
    """Whether a hypothesis has the result of the answer."""
    groups = {v.group for v in prediction.candidates if v.sql == prediction.sql}
    return vote.sql == prediction.sql or (vote.group is not None and vote.group in groups)


def _majority(best: _Best) -> bool:
    """Whether the group that most generators vote for is right; ties to the shortest SQL."""
    groups: defaultdict[int, list[Vote]] = defaultdict(list)
    for vote in best.values():
        if vote.group is not None:
            groups[vote.group].append(vote)
    if not groups:
        return False

    def order(group: list[Vote]) -> tuple[int, int, str]:
        sql = min((v.sql for v in group), key=lambda text: (len(text), text))
        return -len(group), len(sql), sql

    return min(groups.values(), key=order)[0].correct


def _unanimous(best: _Best, members: int) -> bool:
    """Whether all generators of the run have a vote, and all the same."""
    groups = {vote.group for vote in best.values()}
    return len(best) == members and len(groups) == 1 and None not in groups


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci95": [estimate.low, estimate.high]}
