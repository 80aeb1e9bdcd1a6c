"""One question's vote: generators write, the database runs what they wrote, a selector chooses.

Where there is a cascade, the fast generator is asked alone first, and the others only when its vote
is not sure.

What is not covered: what generators see (`pipeline` links it), and language models, which take
part after this vote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from quorumsql.domain import Brief, Candidate, Choice, Limits, Schema
from quorumsql.errors import ModelError
from quorumsql.ports import Database, Generator, Selector
from quorumsql.stages.calibrate import Calibration, confidence
from quorumsql.stages.cascade import Cascade
from quorumsql.stages.choose import Ranked
from quorumsql.stages.generate import generate
from quorumsql.stages.portfolio import reweighted
from quorumsql.stages.refine import refine, with_known
from quorumsql.trace import GeneratorLost, Trace, Warned

__all__ = ["Ballot", "Policy", "record_loss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers that govern a pipeline; `config.Settings` holds them for people.

    `max_columns` of a schema are shown to generators, `max_question` characters of a
    question are read, `hypotheses` of each generator are tried, in `seconds` together and
    `limits` each. Below the confidence `threshold` the answer is an abstention. Where there is a
    cascade, generators beside the fast one are asked when its confidence is below `cascade`;
    None leaves that to the cascade's own rule. Where the threshold is `promised` to keep a rate of
    errors, what people said of answers may lower confidence, not raise it.
    """

    max_columns: int = 120
    max_question: int = 1_000
    hypotheses: int = 8
    limits: Limits = field(default_factory=Limits)
    seconds: float = 30.0
    threshold: float = 0.25
    cascade: float | None = None
    promised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """Who takes part and how votes are read.

    `trust` tells what the vote of each generator named counts, as verdicts on earlier answers have
    it; who is absent counts 1.
    """

    database: Database
    generators: tuple[Generator, ...]
    selector: Selector
    calibration: Calibration
    cascade: Cascade | None = None
    trust: Callable[[Sequence[str]], Mapping[str, float]] = lambda _: {}

    def held(
        self, brief: Brief, everything: Schema, policy: Policy, trace: Trace
    ) -> tuple[tuple[Candidate, ...], Choice]:
        """Return all that was written and run, and what was chosen of it, with its confidence.

        Raises:
            ModelError: every generator failed.
            DatabaseError: the database itself is gone.
        """
        candidates: tuple[Candidate, ...] = ()
        choice = Choice(candidate=None)
        steps, trust = self._steps(), self.trust([one.name for one in self.generators])
        for place, generators in enumerate(steps):
            last = place == len(steps) - 1
            with trace.stage("generate"):
                drafts = _written(generators, brief, policy, trace, last=last)
            with trace.stage("refine"):
                drafts = refine(
                    with_known(drafts, candidates),
                    database=self.database,
                    limits=policy.limits,
                    seconds=max(policy.seconds - trace.timings_ms.get("refine", 0) / 1000, 0),
                )
            candidates = (*candidates, *drafts)
            with trace.stage("choose"):
                voters = reweighted(candidates, trust) if trust else candidates
                # The cascade was fitted on the plain vote of the fast generator.
                selector = self.selector if last else Ranked()
                choice = selector.choose(brief.question, voters, everything)
                stops = not last and self._stops(choice, candidates, policy)
                choice = self._calibrated(choice, alone=stops)
            if stops:
                break
        return candidates, choice

    def _steps(self) -> tuple[tuple[Generator, ...], ...]:
        """Who is asked together: all at once, or the fast one alone and then the others."""
        names = [one.name for one in self.generators]
        if self.cascade is None or self.cascade.first not in names or len(names) < 2:
            return (self.generators,)
        first = self.generators[names.index(self.cascade.first)]
        return (first,), tuple(one for one in self.generators if one is not first)

    def _stops(self, choice: Choice, candidates: Sequence[Candidate], policy: Policy) -> bool:
        if self.cascade is None or choice.candidate is None:
            return False
        empty = candidates[choice.candidate].status == "empty"
        return self.cascade.stops(choice, empty=empty, below=policy.cascade)

    def _calibrated(self, choice: Choice, *, alone: bool) -> Choice:
        """The choice with the chance that it is right; one generator's vote has its own map."""
        if choice.candidate is None:
            return choice
        if alone and self.cascade is not None:
            return replace(choice, confidence=self.cascade.confidence(choice))
        return replace(choice, confidence=confidence(choice.confidence, self.calibration))


def record_loss(name: str, error: Exception, trace: Trace) -> None:
    """Record that a generator failed, and warn of it."""
    trace.add(GeneratorLost(generator=name, message=str(error)))
    trace.add(Warned(message=f"Generator {name} failed and has no vote: {error}"))


def _written(
    generators: Sequence[Generator], brief: Brief, policy: Policy, trace: Trace, *, last: bool
) -> tuple[Candidate, ...]:
    """The drafts of `generators`; where others follow, these may all fail."""
    if not generators:
        return ()
    try:
        candidates = generate(
            generators,
            brief,
            hypotheses=policy.hypotheses,
            on_lost=lambda name, error: record_loss(name, error, trace),
        )
    except ModelError:
        if last:
            raise
        return ()
    trace.written(candidates)
    return candidates
