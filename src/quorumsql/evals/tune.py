"""Compose an ensemble from a recorded pool: which generators, and how to choose among them.

The pool is the super-network of one-shot search (NEAS: Chen et al. 2021, arXiv 2102.12459): every
sub-ensemble can be rated without another call. First the members are shrunk to a number that can
be searched, dropping again and again the one whose absence costs accuracy and diversity least. Then
both halves of a composition are searched in turn with the other fixed (EAGAN: Ying et al. 2022,
arXiv 2111.15097): the generators with a plain vote, by every subset where these are few and else
by NSGA-II, then the ways to choose with the best sub-ensembles. Each time what no other beats in
accuracy, calls and latency together is kept.

With gold, half of the databases is searched on and the other half only measured.

What is not covered: generators that are not in the pool, and settings of those that are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt

from quorumsql.errors import MissingExtra
from quorumsql.evals.rating import Floats, Rater
from quorumsql.evals.recorded import Recorded
from quorumsql.stages.composed import Kind

__all__ = ["RISKS", "Composition", "Front", "Plan", "chosen", "halves", "search", "shrunk"]

RISKS = (0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Chances of stopping too early that cascades are tried with."""

_EVERY = 12
_DIVERSITY = 0.05
_GENERATIONS, _POPULATION = 60, 80
_SEED = 7

Members = npt.NDArray[np.bool_]
Watch = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is searched: at most `most` members, of which one may need so many milliseconds.

    Without `latency_ms` every call takes 1, so that latency counts rounds of calls.
    """

    most: int = 16
    latency_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """An ensemble: its members in the order in which a cascade asks them, and how to choose.

    `selector` is "majority", "weighted", "gem" or "cascade", `risk` that of a cascade. `accuracy`
    is the rating it was searched with, `held_out` the one on databases that were not searched;
    `calls` and `latency` are means per question.
    """

    members: tuple[str, ...]
    selector: Kind
    risk: float | None = None
    accuracy: float
    calls: float
    latency: float
    held_out: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The compositions that no other beats, cheapest first; and all members by rank."""

    compositions: tuple[Composition, ...]
    ranked: tuple[str, ...]
    rated: int


def search(
    rater: Rater, plan: Plan, *, unseen: Rater | None = None, watch: Watch = lambda _: None
) -> Front:
    """Return the front of compositions.

    Args:
        rater: rates on the databases that are searched.
        plan: the bounds of the search.
        unseen: rates on other databases, for `held_out` alone.
        watch: told what is being done.

    Raises:
        MissingExtra: the library that searches is not installed.
    """
    searcher = _Searcher(rater, plan)
    watch("shrinking")
    kept = shrunk(rater, plan.most)
    watch(f"searching generators among {int(kept.sum())}")
    ensembles = searcher.generators(kept)
    watch(f"searching ways to choose for {len(ensembles)} sub-ensembles")
    found = [one for part in ensembles for one in searcher.selectors(part)]
    found.sort(key=lambda pair: (len(pair[0].members), pair[0].risk is not None))  # the plainest
    best = [found[place] for place in _not_beaten([_costs(one) for one, _ in found])]
    if unseen is not None:
        other = _Searcher(unseen, plan)
        best = [(other.remeasured(one, weights), weights) for one, weights in best]
    names = rater.recorded.names
    ordered = sorted((one for one, _ in best), key=lambda c: (c.calls, c.latency, -c.accuracy))
    ranked = tuple(names[place] for place in searcher.order)
    return Front(compositions=tuple(ordered), ranked=ranked, rated=searcher.rated)


def chosen(front: Front, *, within: float, calls: float | None = None) -> Composition:
    """Return the cheapest composition whose accuracy is at most `within` below the best.

    Of those with at most so many `calls` per question, where that is given and any has so few.
    """
    pool = [one for one in front.compositions if calls is None or one.calls <= calls + 1e-9]
    pool = pool or list(front.compositions[:1])
    best = max(one.accuracy for one in pool)
    good = [one for one in pool if one.accuracy >= best - within - 1e-12]
    return min(good, key=lambda one: (one.calls, one.latency, -one.accuracy))


def halves(recorded: Recorded) -> Members | None:
    """Return which questions are searched on: those about every other database.

    None where right answers are not known, or there is one database only: then all are.
    """
    databases = sorted(set(recorded.db_ids))
    if recorded.right is None or len(databases) < 2:
        return None
    searched = set(databases[::2])
    return np.array([name in searched for name in recorded.db_ids])


def shrunk(rater: Rater, most: int) -> Members:
    """Return which members are left when the least needed are dropped, one after another."""
    size = len(rater.recorded.names)
    apart = 1 - rater.agreement()
    kept = np.ones(size, dtype=bool)

    def value(members: Members) -> float:
        count = int(members.sum())
        pairs = max(count * (count - 1), 1)
        diversity = float(apart[np.ix_(members, members)].sum()) / pairs
        return rater.rate(members.astype(np.float64)) + _DIVERSITY * diversity

    while int(kept.sum()) > max(most, 1):
        without = []
        for place in np.flatnonzero(kept):
            rest = kept.copy()
            rest[place] = False
            without.append((value(rest), -int(place)))
        kept[-max(without)[1]] = False
    return kept


class _Searcher:
    """Rates compositions and counts them."""

    def __init__(self, rater: Rater, plan: Plan) -> None:
        self._rater, self._plan = rater, plan
        names = rater.recorded.names
        self._latency = np.array([plan.latency_ms.get(name, 1.0) for name in names])
        single = rater.singles()
        self.order = sorted(range(len(names)), key=lambda m: (-single[m], names[m]))
        self._rank = np.empty(len(names))
        self._rank[self.order] = np.arange(len(names))
        self.rated = 0

    def generators(self, kept: Members) -> list[Members]:
        """Sub-ensembles under a plain vote that no other beats."""
        places = np.flatnonzero(kept)
        if len(places) <= _EVERY:
            parts = [self._mask(part) for part in _subsets(places.tolist())]
        else:
            parts = self._evolved(places)
        costs = [self._of_members(part) for part in parts]
        return [parts[place] for place in _not_beaten(costs)]

    def selectors(self, members: Members) -> Iterator[tuple[Composition, Floats | None]]:
        """One sub-ensemble with every way to choose, and the weights that this takes."""
        yield self._voted(members, "majority", members.astype(np.float64))
        if int(members.sum()) < 2:
            return
        ranks = np.where(members, 1 - self._rank / len(members), 0.0)
        yield self._voted(members, "weighted", ranks)
        gem = np.where(members, self._rater.gem(), 0.0)
        if gem.sum() > 0:
            yield self._voted(members, "gem", gem)
        for risk in RISKS:
            yield self._cascaded(members, risk), None

    def remeasured(self, one: Composition, weights: Floats | None) -> Composition:
        """The composition with this rater's figure as `held_out`."""
        names = {name: place for place, name in enumerate(self._rater.recorded.names)}
        if weights is not None:
            return replace(one, held_out=self._rater.rate(weights))
        order = np.array([names[name] for name in one.members])
        winners = self._rater.cascade(order, one.risk or 0.0).winners
        return replace(one, held_out=float(self._rater.outcomes(winners).mean()))

    def _voted(
        self, members: Members, selector: Kind, weights: Floats
    ) -> tuple[Composition, Floats]:
        accuracy, calls, latency = self._of_members(members, weights)
        one = Composition(
            members=self._named(members),
            selector=selector,
            accuracy=-accuracy,
            calls=calls,
            latency=latency,
        )
        return one, weights

    def _cascaded(self, members: Members, risk: float) -> Composition:
        self.rated += 1
        order = np.array([m for m in self.order if members[m]])
        stopped = self._rater.cascade(order, risk)
        spent = np.cumsum(self._latency[order])
        return Composition(
            members=self._named(members),
            selector="cascade",
            risk=risk,
            accuracy=float(self._rater.outcomes(stopped.winners).mean()),
            calls=float(stopped.calls.mean()),
            latency=float(spent[stopped.calls - 1].mean()),
        )

    def _of_members(
        self, members: Members, weights: Floats | None = None
    ) -> tuple[float, float, float]:
        """What is to be small: minus accuracy, calls, and latency of calls side by side."""
        self.rated += 1
        votes = members.astype(np.float64) if weights is None else weights
        return (
            -self._rater.rate(votes),
            float(members.sum()),
            float(self._latency[members].max(initial=0.0)),
        )

    def _named(self, members: Members) -> tuple[str, ...]:
        return tuple(self._rater.recorded.names[m] for m in self.order if members[m])

    def _mask(self, places: Sequence[int]) -> Members:
        members = np.zeros(len(self._rank), dtype=bool)
        members[list(places)] = True
        return members

    def _evolved(self, places: npt.NDArray[np.int64]) -> list[Members]:
        """The last population of NSGA-II over the members at `places`, and each alone."""
        from quorumsql.evals.tune_evolve import evolve

        def costs(flags: Members) -> tuple[float, float, float]:
            return self._of_members(self._mask(places[flags].tolist()))

        found = evolve(
            costs, len(places), generations=_GENERATIONS, population=_POPULATION, seed=_SEED
        )
        parts = [self._mask(places[flags].tolist()) for flags in found if flags.any()]
        return [*parts, *(self._mask([place]) for place in places.tolist())]


def _subsets(places: Sequence[int]) -> Iterator[tuple[int, ...]]:
    sizes = range(1, len(places) + 1)
    return chain.from_iterable(combinations(places, size) for size in sizes)


def _costs(one: Composition) -> tuple[float, float, float]:
    return (-one.accuracy, one.calls, one.latency)


def _not_beaten(costs: Sequence[tuple[float, float, float]]) -> list[int]:
    """Positions of what is in the first front; of equals the first."""
    try:
        from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
    except ImportError as error:
        raise MissingExtra("quorum tune", "tune") from error
    table = np.round(np.array(costs), 9)
    _, firsts = np.unique(table, axis=0, return_index=True)
    places = np.sort(firsts)
    front = NonDominatedSorting().do(table[places], only_non_dominated_front=True)
    return sorted(places[front].tolist())
