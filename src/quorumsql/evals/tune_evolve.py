"""Evolve subsets that are good in several ways at once, with NSGA-II.

Deb, Pratap, Agarwal and Meyarivan 2002, "A fast and elitist multiobjective genetic algorithm",
as pymoo has it. Starts hold one, two, three … members, so that cheap sub-ensembles are in from the
first generation.

What is not covered: anything but subsets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from quorumsql.errors import MissingExtra

__all__ = ["evolve"]

Flags = npt.NDArray[np.bool_]


def evolve(
    costs: Callable[[Flags], Sequence[float]],
    size: int,
    *,
    generations: int,
    population: int,
    seed: int,
) -> list[Flags]:
    """Return the last population: flags over `size` members.

    Args:
        costs: what is to be small, of flags of which at least one is set.
        size: how many members there are.
        generations: how often a population breeds.
        population: how many subsets live at once.
        seed: makes a search repeatable.

    Raises:
        MissingExtra: pymoo is not installed.
    """
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import ElementwiseProblem
        from pymoo.operators.crossover.pntx import TwoPointCrossover
        from pymoo.operators.mutation.bitflip import BitflipMutation
        from pymoo.optimize import minimize
    except ImportError as error:
        raise MissingExtra("quorum tune", "tune") from error

    known: dict[bytes, Sequence[float]] = {}

    class Subsets(ElementwiseProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=size, n_obj=3, xl=0, xu=1, vtype=bool)

        def _evaluate(self, x: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
            flags = np.asarray(x, dtype=bool)
            if not flags.any():
                flags = flags.copy()
                flags[0] = True
            key = flags.tobytes()
            if key not in known:
                known[key] = costs(flags)
            out["F"] = list(known[key])

    draw = np.random.default_rng(seed)
    start = np.zeros((population, size), dtype=bool)
    for place, row in enumerate(start):
        row[draw.permutation(size)[: 1 + place % size]] = True
    found = minimize(
        Subsets(),
        NSGA2(
            pop_size=population,
            sampling=start,
            crossover=TwoPointCrossover(),
            mutation=BitflipMutation(),
            eliminate_duplicates=True,
        ),
        ("n_gen", generations),
        seed=seed,
        verbose=False,
    )
    return [np.asarray(one.X, dtype=bool) for one in found.pop]
