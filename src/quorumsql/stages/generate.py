"""Ask every generator at once, and keep the order in which they were given.

What is not covered: stopping a generator that hangs. Generators have deadlines of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from quorumsql.domain import Brief, Candidate
from quorumsql.errors import ModelError
from quorumsql.ports import Generator
from quorumsql.stages.together import together

__all__ = ["generate"]


def generate(
    generators: Sequence[Generator],
    brief: Brief,
    *,
    hypotheses: int | None = None,
    on_lost: Callable[[str, ModelError], None] | None = None,
) -> tuple[Candidate, ...]:
    """Return the candidates of all generators, generator after generator, best first.

    Args:
        generators: asked in parallel; the result has their order, not that of finishing.
        brief: what each of them sees.
        hypotheses: keep at most this many candidates of each generator; None keeps all.
        on_lost: told the name and the error of a generator that raised `ModelError`. The
            others are not affected.

    Raises:
        ModelError: every generator failed, so there is nothing to go on with.
    """
    outcomes = together(
        [partial(generator.generate, brief) for generator in generators],
        names=[generator.name for generator in generators],
    )
    candidates: list[Candidate] = []
    lost: list[ModelError] = []
    for generator, outcome in zip(generators, outcomes, strict=True):
        if isinstance(outcome, ModelError):
            lost.append(outcome)
            if on_lost is not None:
                on_lost(generator.name, outcome)
        else:
            candidates.extend(outcome[:hypotheses])
    if lost and len(lost) == len(generators):
        raise lost[0]
    return tuple(candidates)
