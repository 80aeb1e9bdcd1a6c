"""What one question may cost, and what it has cost: calls, money, time.

A `Purse` belongs to one question. Models are used through it, so that nothing is spent past what is
allowed, whichever stage asks, and everything is accounted for by stage.

What is not covered: a budget over many questions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from quorumsql.domain import Completion, ModelRequest, Usage
from quorumsql.errors import BudgetSpent, ModelUnavailable
from quorumsql.ports import LanguageModel

__all__ = ["Allowance", "CostOf", "Metered", "Purse", "tokens_of"]

CostOf: TypeAlias = Callable[[int, int], float | None]
"""US dollars for so many input and output tokens; None where the price is not known."""

_CHARACTERS = 3.0  # per token, on the safe side for English and SQL


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What one question may cost at most; None is without limit."""

    calls: int | None = None
    usd: float | None = None
    seconds: float = 120.0


class Purse:
    """The allowance of one question while it is spent; safe to use from several threads."""

    def __init__(self, allowance: Allowance, *, cost_of: CostOf = lambda *_: None) -> None:
        """Start the clock."""
        self._allowance = allowance
        self._cost_of = cost_of
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._calls = 0
        self._usd = 0.0
        self._spent: dict[str, Usage] = {}
        self._notes: dict[str, None] = {}

    @property
    def spent(self) -> Mapping[str, Usage]:
        """What each stage has cost so far."""
        with self._lock:
            return dict(self._spent)

    @property
    def total(self) -> Usage:
        """What all stages have cost so far."""
        return sum(self.spent.values(), Usage())

    @property
    def notes(self) -> tuple[str, ...]:
        """What went other than planned, for the person who asked."""
        with self._lock:
            return tuple(self._notes)

    def note(self, text: str) -> None:
        """Remember something to tell, once."""
        with self._lock:
            self._notes[text] = None

    @property
    def seconds_left(self) -> float:
        """Seconds until the question must be answered."""
        return self._begun + self._allowance.seconds - time.monotonic()

    def model(self, model: LanguageModel, stage: str) -> Metered:
        """Return `model` as a stage may use it."""
        return Metered(self, model, stage)

    def reserve(self, request: ModelRequest, samples: int) -> tuple[int, float]:
        """Set aside what `samples` replies may cost; return how many are affordable, and that.

        Raises:
            BudgetSpent: not even one is.
        """
        seconds = self._allowance.seconds
        if self.seconds_left <= 0:
            raise BudgetSpent(f"The {seconds:g} s for this question are over.")
        each = self._cost_of(tokens_of(request), request.max_tokens) or 0.0
        with self._lock:
            affordable = samples
            if self._allowance.calls is not None:
                affordable = min(affordable, self._allowance.calls - self._calls)
                if affordable <= 0:
                    raise BudgetSpent(f"The {self._allowance.calls} calls allowed are used up.")
            if self._allowance.usd is not None and each > 0:
                left = self._allowance.usd - self._usd
                affordable = min(affordable, int(left / each + 1e-9))
                if affordable <= 0:
                    raise BudgetSpent(
                        f"The next call may cost ${each:.4f}, and ${left:.4f} of "
                        f"${self._allowance.usd:g} are left."
                    )
            self._calls += affordable
            self._usd += affordable * each
        return affordable, affordable * each

    def settle(
        self, stage: str, reserved: tuple[int, float], usage: Usage | None, *, lost: int = 0
    ) -> None:
        """Give back what was set aside and not used; None: nothing came.

        `lost` requests brought nothing, and may have to be paid for; so may replies that do not
        tell their price. Both take what was set aside for them.
        """
        calls, usd = reserved
        each = usd / calls if calls else 0.0
        came = usage or Usage()
        paid = came.calls * each if came.usd is None else came.usd
        with self._lock:
            self._calls -= calls - came.calls - lost
            self._usd -= usd - paid - lost * each
            if usage is not None or lost:
                unknown = Usage(calls=lost, usd=None) if lost else Usage()
                self._spent[stage] = self._spent.get(stage, Usage()) + came + unknown


class Metered:
    """A `LanguageModel` that pays from a purse."""

    def __init__(self, purse: Purse, model: LanguageModel, stage: str) -> None:
        """Take the purse, the model and the name under which to account."""
        self._purse, self._model, self._stage = purse, model, stage

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @property
    def purse(self) -> Purse:
        """Who pays."""
        return self._purse

    def during(self, stage: str) -> Metered:
        """Return the same model, accounted for under another stage."""
        return Metered(self._purse, self._model, stage)

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        """Return replies, fewer than asked for where that is all that is affordable.

        Raises:
            BudgetSpent: not even one is.
            ModelUnavailable, ModelRefused: as the model says.
        """
        reserved = self._purse.reserve(request, samples)
        left = self._purse.seconds_left
        limit = left if seconds is None else min(seconds, left)
        usage: Usage | None = None
        lost = 0
        try:
            if limit <= 0:
                raise ModelUnavailable(f"There was no time left to ask {self.name!r}.")
            replies = self._model.complete(request, samples=reserved[0], seconds=limit)
            usage = sum((reply.usage for reply in replies), Usage())
        except ModelUnavailable as error:
            lost = error.sent
            raise
        finally:
            self._purse.settle(self._stage, reserved, usage, lost=lost)
        return replies


def tokens_of(request: ModelRequest) -> int:
    """Return about how many tokens a prompt has, rather too many than too few."""
    return int(sum(len(message.text) + 12 for message in request.messages) / _CHARACTERS)
