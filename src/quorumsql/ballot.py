"""One question's vote: generators write, the database runs what they wrote, a selector chooses.

Where there is a cascade, generators are asked one after another: the selector chooses among what
was written so far, and the next one is asked only where that is not sure enough.

What is not covered: what generators see (`pipeline` links it), and language models, which take
part after this vote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from quorumsql.domain import Brief, Candidate, Choice, Limits, Schema
from quorumsql.errors import ModelError
from quorumsql.ports import Database, Generator, Reader, Selector
from quorumsql.stages.calibrate import Calibration
from quorumsql.stages.cascade import Cascade, Step
from quorumsql.stages.complete import completed
from quorumsql.stages.evidence import features
from quorumsql.stages.generate import generate
from quorumsql.stages.overlap import NOTHING, Overlap
from quorumsql.stages.portfolio import reweighted
from quorumsql.stages.refine import refine, with_known
from quorumsql.stages.weigh import read_groups
from quorumsql.trace import GeneratorLost, Trace, Warned

__all__ = ["Ballot", "Policy", "after_models", "record_loss", "succession"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers that govern a pipeline; `config.Settings` holds them for people.

    `max_columns` of a schema are shown to generators, `max_question` characters of a
    question are read, at most `hypotheses` of each generator tried, in `seconds` together and
    `limits` each. Below the confidence `threshold` the answer is an abstention. Where there is a
    cascade, the next generator is asked while confidence is below `cascade`; None leaves that to
    the cascade's own thresholds. Where the threshold is `promised` to keep a rate of
    errors, what people said of answers may lower confidence, not raise it.
    """

    max_columns: int = 120
    max_question: int = 1_000
    hypotheses: int = 16
    limits: Limits = field(default_factory=Limits)
    seconds: float = 30.0
    threshold: float = 0.25
    cascade: float | None = None
    promised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """Who takes part and how votes are read.

    `trust` tells what the vote of each generator named counts, as verdicts on earlier answers have
    it; who is absent counts 1. `reader` is what the selector reads with, if it does; confidence and
    cascade look at its scores.
    """

    database: Database
    generators: tuple[Generator, ...]
    selector: Selector
    calibration: Calibration
    cascade: Cascade | None = None
    trust: Callable[[Sequence[str]], Mapping[str, float]] = lambda _: {}
    reader: Reader | None = None
    overlap: Overlap = field(default_factory=Overlap)

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
                needed = last and not candidates
                drafts = _written(generators, brief, policy, trace, needed=needed)
            with trace.stage("refine"):
                drafts = refine(
                    with_known(drafts, candidates, dialect=everything.dialect),
                    database=self.database,
                    limits=policy.limits,
                    seconds=max(policy.seconds - trace.timings_ms.get("refine", 0) / 1000, 0),
                )
            candidates = (*candidates, *drafts)
            with trace.stage("choose"):
                voters = reweighted(candidates, trust) if trust else candidates
                choice = self.selector.choose(brief.question, voters, everything)
                row = self._row(brief, choice, voters, everything)
                step = None if last or self.cascade is None else self.cascade.steps[place]
                stops = step is not None and step.stops(choice, row, least=policy.cascade)
                choice = self._calibrated(choice, row, step if stops else None)
                if stops or last:
                    candidates, choice = completed(
                        candidates,
                        choice,
                        question=brief.question.text,
                        schema=everything,
                        run=partial(self.database.execute, limits=policy.limits),
                        hits=brief.hits,
                    )
            if stops:
                break
        return candidates, choice

    def _steps(self) -> tuple[tuple[Generator, ...], ...]:
        """Who is asked together: all at once, or one after another as the cascade has it."""
        left = list(self.generators)
        steps: list[tuple[Generator, ...]] = []
        for name in self.cascade.order[:-1] if self.cascade is not None else ():
            own = next((one for one in left if one.name == name), None)
            if own is None or len(left) < 2:
                break
            left.remove(own)
            steps.append((own,))
        return (*steps, tuple(left))

    def _row(
        self, brief: Brief, choice: Choice, candidates: Sequence[Candidate], everything: Schema
    ) -> Mapping[str, float]:
        """What can be told about the choice; what was read for it is not read again."""
        read: tuple[float, ...] = ()
        if self.reader is not None and choice.candidate is not None:
            groups = choice.groups
            read = read_groups(self.reader, brief.question, candidates, groups, everything)
        chosen = None if choice.candidate is None else candidates[choice.candidate]
        empty = chosen is None or chosen.status == "empty"
        said = self.overlap.of(brief.question, chosen.sql, everything) if chosen else NOTHING
        return features(choice, empty=empty, read=read, said=said)

    def _calibrated(self, choice: Choice, row: Mapping[str, float], step: Step | None) -> Choice:
        """The choice with the chance that it is right; a cascade's steps have their own maps."""
        if choice.candidate is None:
            return choice
        known = self.calibration if step is None else step.calibration
        return replace(choice, confidence=known.chance(choice, row))


def record_loss(name: str, error: Exception, trace: Trace) -> None:
    """Record that a generator failed, and warn of it."""
    trace.add(GeneratorLost(generator=name, message=str(error)))
    trace.add(Warned(message=f"Generator {name} failed and has no vote: {error}"))


def after_models(drafts: Sequence[Candidate], ranks: Mapping[str, int]) -> Mapping[str, int]:
    """Return places with the models' generators first, in the order in which they were named."""
    names = tuple(dict.fromkeys(one.generator for one in drafts))
    return {
        **{name: len(names) + rank for name, rank in ranks.items()},
        **{name: rank for rank, name in enumerate(names)},
    }


def succession(choice: Choice, candidates: Sequence[Candidate]) -> float:
    """Return the chance of the chosen group by the rule of succession: (votes + 1) / (all + 2).

    The embedded members' calibration says nothing about pools with other members, and one vote out
    of one is no certainty.
    """
    if choice.candidate is None:
        return 0.0
    voters = len({one.generator for one in candidates if one.weight > 0})
    return (choice.confidence * voters + 1) / (voters + 2)


def _written(
    generators: Sequence[Generator], brief: Brief, policy: Policy, trace: Trace, *, needed: bool
) -> tuple[Candidate, ...]:
    """The drafts of `generators`; where they are not `needed`, they may all fail."""
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
        if needed:
            raise
        return ()
    trace.written(candidates)
    return candidates
