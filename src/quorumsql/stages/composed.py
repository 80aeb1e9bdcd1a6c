"""A composed ensemble as a selector: which generators have a vote, and how their votes count.

    {"members": ["a", "b"], "selector": "majority"}
    {"members": ["a", "b"], "selector": "gem", "weights": {"a": 0.7, "b": 0.3}}
    {"members": ["a", "b", "c"], "selector": "cascade", "risk": 0.05}

`quorum tune` writes such a file, and it can be written by hand. A cascade hears the members in the
order of the file and stops once the first result leads so clearly that the rest will hardly change
it: the chance that it is behind in the long run, by the beta distribution of its votes against
those of the next, is at most the `risk` (adaptive consistency: Aggarwal et al. 2023, arXiv
2305.11860).

What is not covered: several candidates of one member for one question; the caller keeps one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import comb
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from quorumsql.disk import write_atomically
from quorumsql.domain import Candidate, Choice, Question, Schema
from quorumsql.errors import UsageError
from quorumsql.stages.choose import majority
from quorumsql.stages.weighted import Weighted

__all__ = ["UNNAMED", "Composed", "Kind", "lead_is_safe", "load_composed", "save_composed"]

UNNAMED = "?"
"""Stands for generators that have no name."""

Kind: TypeAlias = Literal["majority", "weighted", "gem", "cascade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """Members, in the order in which a cascade hears them, and what is done with their votes.

    `risk` is that of a cascade, `weights` are those of "weighted" and "gem". Where no candidate is
    a member's, all of them vote.
    """

    members: tuple[str, ...]
    selector: Kind
    risk: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the choice of the members; those that a cascade does not hear have no vote."""
        heard = [i for i, one in enumerate(candidates) if _name(one) in self.members]
        heard = heard or list(range(len(candidates)))
        if self.selector == "cascade":
            return self._cascaded(candidates, heard, schema.dialect)
        voters = [replace(candidates[i], generator=_name(candidates[i])) for i in heard]
        if self.selector == "majority":
            return _placed(majority(voters, dialect=schema.dialect), heard)
        return _placed(Weighted(self.weights).choose(question, voters, schema), heard)

    def _cascaded(
        self, candidates: Sequence[Candidate], heard: Sequence[int], dialect: str
    ) -> Choice:
        places = {name: place for place, name in enumerate(self.members)}
        order = sorted(heard, key=lambda i: places.get(_name(candidates[i]), len(places)))
        choice = Choice(candidate=None)
        for count in range(1, len(order) + 1):
            asked = order[:count]
            choice = _placed(majority([candidates[i] for i in asked], dialect=dialect), asked)
            votes = [*(len(one.members) for one in choice.groups), 0, 0]
            if lead_is_safe(votes[0], votes[1], self.risk or 0.0):
                break
        return choice


def lead_is_safe(first: int, second: int, risk: float) -> bool:
    """Whether `first` votes against `second` for the next leave at most `risk` of being behind.

    The chance that the true share of the first among the two is below a half, from a flat prior:
    P(Beta(first + 1, second + 1) < 1/2), a binomial tail.
    """
    total = first + second + 1
    behind = sum(comb(total, k) for k in range(first + 1, total + 1)) / 2**total
    return first > second and behind <= risk


def save_composed(composed: Composed, path: Path) -> None:
    """Write what `load_composed` reads.

    Raises:
        UsageError: the file cannot be written.
    """
    write_atomically(path, [json.dumps(asdict(composed), indent=1, ensure_ascii=False), "\n"])


def load_composed(path: Path) -> Composed:
    """Read a composition.

    Raises:
        UsageError: the file cannot be read, holds something else, or what it says cannot be done.
    """
    try:
        found = TypeAdapter(Composed).validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{path}: is no composition, as quorum tune writes into composition.json: "
            f"{where + ': ' if where else ''}{first['msg']}."
        ) from error
    if problem := _problem(found):
        raise UsageError(f"{path}: {problem}.")
    return found


def _problem(found: Composed) -> str | None:
    """Why a composition cannot choose, in words."""
    if not found.members:
        return "'members' is empty"
    if len(set(found.members)) < len(found.members):
        return "a member is named twice"
    if found.selector == "cascade" and not 0 <= (-1 if found.risk is None else found.risk) <= 1:
        return "a cascade needs a 'risk' between 0 and 1"
    if found.selector in ("weighted", "gem"):
        if missing := [name for name in found.members if name not in found.weights]:
            return f"'weights' lacks {missing[0]!r}"
        if not all(0 <= weight < float("inf") for weight in found.weights.values()):
            return "'weights' must be numbers that are not negative"
    return None


def _placed(choice: Choice, places: Sequence[int]) -> Choice:
    """A choice among some candidates, told by the places that they have among all."""
    if choice.candidate is None:
        return choice
    groups = tuple(
        replace(one, members=tuple(places[i] for i in one.members)) for one in choice.groups
    )
    return replace(choice, candidate=places[choice.candidate], groups=groups)


def _name(one: Candidate) -> str:
    return one.generator or UNNAMED
