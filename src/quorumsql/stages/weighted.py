"""Votes that count by what is known of who cast them.

`rank_weights` turns measured places into votes: the best of n generators counts 1, the last 1/n
(Borda's rule, as the weighted vote of NL2SQL ensembles has it). `gem` finds weights from errors
that members share, `portfolio` learns them from people's verdicts; all three vote here.

What is not covered: generators of which nothing is known. Their vote counts as much as that of a
known one does on average.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from quorumsql.disk import write_atomically
from quorumsql.domain import Candidate, Choice, Question, Schema
from quorumsql.errors import UsageError
from quorumsql.stages.choose import voted

__all__ = ["Measured", "Weighted", "load_measured", "rank_weights", "save_measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of generators on other questions, by name.

    `ranks` are places by accuracy, 0 for the best; `gem` are weights from shared errors.
    """

    ranks: Mapping[str, int] = field(default_factory=dict)
    gem: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A vote in which a candidate counts its own weight times that of its generator."""

    weights: Mapping[str, float]

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the group with most votes; where no vote counts, all count alike."""
        del question
        usual = sum(self.weights.values()) / len(self.weights) if self.weights else 1.0

        def votes(one: Candidate) -> float:
            return one.weight * self.weights.get(one.generator, usual)

        return voted(candidates, votes, dialect=schema.dialect)


def rank_weights(ranks: Mapping[str, int]) -> dict[str, float]:
    """Return 1 for the best of n generators, (n - 1)/n for the next, … 1/n for the last."""
    last = max(ranks.values(), default=0)
    return {name: (last + 1 - place) / (last + 1) for name, place in ranks.items()}


def save_measured(measured: Measured, path: Path) -> None:
    """Write what `load_measured` reads.

    Raises:
        UsageError: the file cannot be written.
    """
    write_atomically(path, [json.dumps(asdict(measured), indent=1), "\n"])


def load_measured(path: Path) -> Measured:
    """Read `{"ranks": {NAME: PLACE}, "gem": {NAME: WEIGHT}}`; either may be missing.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        ranks = {str(name): int(place) for name, place in record.get("ranks", {}).items()}
        gem = {str(name): float(weight) for name, weight in record.get("gem", {}).items()}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f'{path}: expected {{"ranks": …, "gem": …}}, by name: {error}.') from error
    if not ranks and not gem:
        raise UsageError(f"{path}: neither 'ranks' nor 'gem' of any generator in it.")
    if min([*ranks.values(), *gem.values()]) < 0:
        raise UsageError(f"{path}: ranks and weights must not be negative.")
    return Measured(ranks=ranks, gem=gem)
