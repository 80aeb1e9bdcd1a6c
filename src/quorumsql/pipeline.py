"""From a question to an answer: `Pipeline.answer` is the picture in the documentation.

    Question ─┐
              ├─ retrieve ─ hits ─┬─ link ─ brief ─ generate ─ refine ─ choose ─ Answer
    Schema ───┴───────────────────┘

The pipeline is given ports and builds nothing.

Language models, where there are any, take part after the cheap generators and only when those are
not sure: they draft on two schemas, mend what the database refuses, and judge what disagrees.

What is not covered: gold SQL, which has no type that could enter here, and keeping answers
between questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Literal

from quorumsql.ballot import Ballot, Policy, after_models, record_loss, succession
from quorumsql.domain import (
    Answer,
    Brief,
    Candidate,
    Choice,
    Failure,
    Hit,
    Question,
    Schema,
    Usage,
)
from quorumsql.errors import ModelError, UsageError
from quorumsql.ports import Database, Generator, Ranker, Reader, Selector, ValueIndex
from quorumsql.stages.answerable import Refusal, Refuser
from quorumsql.stages.calibrate import Calibration
from quorumsql.stages.cascade import Cascade
from quorumsql.stages.choose import Ranked, choose
from quorumsql.stages.diversity import effective_number
from quorumsql.stages.doubt import doubts, foreign
from quorumsql.stages.keeping import remarks
from quorumsql.stages.link import Prepared, link, within
from quorumsql.stages.narrow import narrow
from quorumsql.stages.readings import readings, tied
from quorumsql.stages.recalibrate import recalibrated
from quorumsql.stages.recall import Recall
from quorumsql.stages.refine import refine
from quorumsql.stages.retrieve import retrieve
from quorumsql.stages.shares import undivided
from quorumsql.stages.shorten import shorten
from quorumsql.stages.when import Apart, set_apart, timed, year_apart
from quorumsql.synonyms import Synonyms
from quorumsql.trace import Asked, Chosen, Linked, Trace, Warned

if TYPE_CHECKING:
    from quorumsql.stages.plan import Planned
    from quorumsql.stages.session import LanguageEnsemble, Session

__all__ = ["Pipeline", "Policy", "stripped"]


class Pipeline:
    """Answers questions about one database; safe to use again and again."""

    def __init__(
        self,
        *,
        database: Database,
        generators: Sequence[Generator],
        index: ValueIndex,
        policy: Policy | None = None,
        calibration: Calibration | None = None,
        ranks: Mapping[str, int] | None = None,
        language: LanguageEnsemble | None = None,
        ranker: Ranker | None = None,
        selector: Selector | None = None,
        reader: Reader | None = None,
        cascade: Cascade | None = None,
        trust: Callable[[Sequence[str]], Mapping[str, float]] = lambda _: {},
        shift: Callable[[], float] = lambda: 0.0,
        refuser: Refuser | None = None,
        recall: Recall | None = None,
    ) -> None:
        """Take what answering needs.

        Args:
            database: described and read, never written.
            generators: the members of the ensemble, the most accurate first.
            index: finds stored values that a question mentions.
            policy: limits and thresholds.
            calibration: from vote share to confidence; absent, the share itself.
            ranks: place of each generator by measured accuracy; absent, their order here.
            language: the language models that take part, if any.
            ranker: says which columns of a large schema are needed; absent, names do.
            selector: chooses among candidates that have run; absent, votes and ranks do.
            reader: what the selector reads with, if it does; confidence looks at its scores.
            cascade: in which order generators are asked, and when that ends early; absent, all
                are asked at once.
            trust: what the vote of each generator named counts, as verdicts on earlier answers
                have it.
            shift: how far the log odds of confidence lie from the calibrated ones, by what people
                said of this database's answers.
            refuser: says which questions the database cannot answer; absent, none is refused for
                that. Language models, which know more words, are not second-guessed.
            recall: knows questions that people have solved; absent, every one is new.
        """
        if not generators and language is None:
            raise UsageError("No generators: name at least one, e.g. 'embedded'.")
        self._database = database
        self._generators = tuple(generators)
        self._index = index
        self._policy = policy or Policy()
        self._ranks = dict(ranks or {g.name: n for n, g in enumerate(self._generators)})
        self._language = language
        self._ranker = ranker
        self._shift = shift
        self._refuser = refuser
        self._recall = recall
        self._ballot = Ballot(
            database=database,
            generators=self._generators,
            selector=selector or Ranked(self._ranks),
            calibration=calibration or Calibration(),
            cascade=cascade,
            trust=trust,
            reader=reader,
        )
        self._prepared: Prepared | None = None
        self._synonyms = Synonyms()

    def answer(self, question: Question, *, trace: Trace | None = None) -> Answer:
        """Answer `question`, or abstain and say why.

        Args:
            question: any text that is not blank; a very long one is cut, with a warning.
            trace: receives the events of this question.

        Raises:
            UsageError: the question is blank, or the database cannot be read.
            ModelError: every generator failed.
        """
        trace = trace or Trace()
        session = self._language.session(self._database, self._index) if self._language else None
        asked = self._asked(question, trace)
        with trace.stage("schema"):
            everything = self._database.schema()
        if not any(table.columns for table in everything.tables):
            return self._no_tables(question, trace)
        with trace.stage("retrieve"):
            hits = retrieve(asked, index=self._index)
        if (known := self._recalled(asked, hits, trace)) is not None:
            return self._answer(question, everything, hits, *known, trace)
        schema, candidates, choice = self._voted(asked, everything, hits, trace)
        if session is not None and not _sure(choice, session):
            schema, candidates, choice = self._with_models(
                session, asked, everything, hits, candidates, trace
            )
        return self._answer(question, schema, hits, candidates, choice, trace, session)

    def plan(self, question: Question) -> tuple[Planned, ...]:
        """Return what language models may cost for `question`; nothing is sent."""
        from quorumsql.stages.plan import plan

        if self._language is None:
            return ()
        asked = self._asked(question, Trace())
        hits = retrieve(asked, index=self._index)
        everything = self._database.schema()
        return plan(
            self._language, asked, everything, hits, database=self._database, index=self._index
        )

    def _recalled(
        self, asked: Question, hits: tuple[Hit, ...], trace: Trace
    ) -> tuple[tuple[Candidate, ...], Choice] | None:
        """The answer that somebody approved for this question, if its SQL still runs."""
        if self._recall is None or (known := self._recall.like(asked, hits)) is None:
            return None
        with trace.stage("recall"):
            found = self._database.execute(known.sql, limits=self._policy.limits)
        if isinstance(found, Failure):
            message = f"The approved SQL of {known.question!r} does not run: {found.message}"
            trace.add(Warned(message=message))
            return None
        if not known.same:
            message = f"Taken from the approved example {known.question!r}, with other values."
            trace.add(Warned(message=message))
        return known.voted(found)

    def _voted(
        self, asked: Question, everything: Schema, hits: tuple[Hit, ...], trace: Trace
    ) -> tuple[Schema, tuple[Candidate, ...], Choice]:
        """What generators write and the vote chooses; times they cannot write are added after."""
        today = date.today()  # noqa: DTZ011 (people mean the day it is where they are)
        apart = set_apart(asked.text, everything, hits, today=today)
        if apart is not None:
            return self._timed(asked, apart, everything, hits, trace)
        held = self._held(asked, everything, hits, trace)
        best = _best_guess(held[2], held[1])
        run = partial(self._database.execute, limits=self._policy.limits)
        sql = best.sql if best is not None else ""
        apart = year_apart(asked.text, sql, everything, hits, today=today, run=run)
        return held if apart is None else self._timed(asked, apart, everything, hits, trace, held)

    def _timed(
        self,
        asked: Question,
        apart: Apart,
        everything: Schema,
        hits: tuple[Hit, ...],
        trace: Trace,
        otherwise: tuple[Schema, tuple[Candidate, ...], Choice] | None = None,
    ) -> tuple[Schema, tuple[Candidate, ...], Choice]:
        """What is written for the question without its time, which is added then."""
        rest = replace(asked, text=apart.rest)
        with trace.stage("retrieve"):
            mentioned = retrieve(rest, index=self._index)
        schema, candidates, choice = self._held(rest, everything, mentioned, trace)
        run = partial(self._database.execute, limits=self._policy.limits)
        with trace.stage("choose"):
            found = timed(candidates, choice, apart, schema=everything, run=run)
        if found is not None:
            if found.warning:
                trace.add(Warned(message=found.warning))
            return schema, found.candidates, found.choice
        if self._language is None:
            message = f"{apart.phrase!r} could not be added to the SQL: check what it does with it."
            trace.add(Warned(message=message))
        return otherwise or self._held(asked, everything, hits, trace)

    def _held(
        self, asked: Question, everything: Schema, hits: tuple[Hit, ...], trace: Trace
    ) -> tuple[Schema, tuple[Candidate, ...], Choice]:
        with trace.stage("link"):
            schema = self._part(asked, everything, hits)
        said = self._synonyms.said(asked.text, schema, hits)
        trace.add(Linked.of(schema, everything, said))
        brief = Brief(question=asked, schema=schema, hits=within(hits, schema))
        return schema, *self._ballot.held(brief, everything, self._policy, trace)

    def _with_models(
        self,
        session: Session,
        asked: Question,
        everything: Schema,
        hits: tuple[Hit, ...],
        cheap: tuple[Candidate, ...],
        trace: Trace,
    ) -> tuple[Schema, tuple[Candidate, ...], Choice]:
        """Let language models draft, mend and judge, beside the `cheap` candidates.

        Raises:
            ModelError: all of them failed and there are no cheap candidates.
        """
        failed: list[ModelError] = []

        def lost(name: str, error: ModelError) -> None:
            failed.append(error)
            record_loss(name, error, trace)

        with trace.stage("link"):
            briefs = session.schemas(asked, everything, hits, lost, prepared=self._prepared)
        trace.add(Linked.of(briefs[-1].schema, everything))
        with trace.stage("generate"):
            drafts = session.write(briefs, lost)
        if failed and not drafts and not cheap:
            raise failed[0]
        trace.written(drafts)
        with trace.stage("refine"):
            drafts = session.repair(self._ran(drafts, session), self._policy.limits, lost)
            drafts = self._ran([replace(one, weight=1.0) for one in drafts], session)
        ranks = after_models(drafts, self._ranks)
        candidates = (*cheap, *drafts)
        with trace.stage("choose"):
            choice = choose(candidates, ranks=ranks, dialect=everything.dialect)
            choice = session.judge(briefs[-1], candidates, choice, ranks=ranks, on_lost=lost)
            choice = replace(choice, confidence=succession(choice, candidates))
        return briefs[-1].schema, candidates, choice

    def _part(self, asked: Question, everything: Schema, hits: tuple[Hit, ...]) -> Schema:
        """What generators see of the schema: all of it where it fits, else what is needed."""
        if self._prepared is None or self._prepared.schema is not everything:
            self._prepared = Prepared(everything)
        linked = link(
            asked,
            everything,
            hits,
            max_columns=self._policy.max_columns,
            prepared=self._prepared,
        )
        if self._ranker is None or linked is everything:
            return linked
        brief = Brief(question=asked, schema=linked, hits=within(hits, linked))
        try:
            return narrow(linked, self._ranker.rank(brief)).precise
        except ModelError:  # the generators will say so themselves
            return linked

    def _ran(self, drafts: Sequence[Candidate], session: Session) -> tuple[Candidate, ...]:
        seconds = max(min(self._policy.seconds, session.seconds_left), 0.25)  # it is paid for
        limits = replace(self._policy.limits, seconds=min(self._policy.limits.seconds, seconds))
        return refine(drafts, database=self._database, limits=limits, seconds=seconds)

    def _asked(self, question: Question, trace: Trace) -> Question:
        """The question as generators read it, with warnings about what they cannot read."""
        text = stripped(question.text)
        trace.add(Asked(question=text, database=self._database.name))
        if foreign(text):
            trace.add(Warned(message="The question does not look English; answers may be wrong."))
        text, warning = shorten(text, self._policy.max_question)
        if warning:
            trace.add(Warned(message=warning))
        return replace(question, text=text)

    def _no_tables(self, question: Question, trace: Trace) -> Answer:
        trace.add(Warned(message=f"The database {self._database.name!r} has no tables."))
        return self._answer(
            question, Schema(name=self._database.name), (), (), Choice(candidate=None), trace
        )

    def _answer(
        self,
        question: Question,
        schema: Schema,
        hits: tuple[Hit, ...],
        candidates: tuple[Candidate, ...],
        choice: Choice,
        trace: Trace,
        session: Session | None = None,
    ) -> Answer:
        trace.executed(candidates)
        for note in session.notes if session is not None else ():
            trace.add(Warned(message=note))
        spent = session.spent if session is not None else {}
        refusal = self._refusal(question, hits, candidates, choice, session)
        if refusal is not None:
            trace.add(Warned(message=refusal.reason))
        for text in doubts(choice, candidates, schema):
            trace.add(Warned(message=text))
        best = _best_guess(choice, candidates)
        sql, everything = best.sql if best else "", self._database.schema()
        if choice.rule != "approved":
            said, _ = shorten(question.text, self._policy.max_question)
            for text in [*remarks(said, sql, everything, _warned(trace)),
                         *undivided(said, sql, everything)]:  # fmt: skip
                trace.add(Warned(message=text))
        effective = effective_number(candidates, choice, dialect=schema.dialect)
        shift = 0.0 if choice.rule == "approved" else self._shift()
        sure = recalibrated(choice.confidence, shift) if best else 0.0
        least = min(sure, choice.confidence) if self._policy.promised else sure
        reason = _reason(choice, least, self._policy.threshold)
        if refusal is not None:
            sure, reason = min(sure, 1.0 - refusal.chance), "unanswerable"
        trace.add(
            Chosen(
                sql=(best.sql or None) if best else None,
                rule=choice.rule,
                groups=len(choice.groups),
                votes=choice.groups[0].votes if choice.groups else 0.0,
                confidence=sure,
                abstained=reason is not None,
                effective=round(effective, 3),
            )
        )
        return Answer(
            question=question.text,
            sql=(best.sql or None) if best else None,
            execution=best.final.execution if best else None,
            confidence=sure,
            abstained=reason is not None,
            reason=reason,
            choice=choice,
            candidates=candidates,
            hits=hits,
            warnings=_warned(trace),
            timings_ms=trace.timings_ms,
            usage=sum(spent.values(), Usage()),
            usage_by_stage=spent,
            effective=effective,
            readings=()
            if reason == "unanswerable"
            else readings(choice, candidates, schema.dialect, abstained=reason is not None),
        )

    def _refusal(
        self,
        question: Question,
        hits: tuple[Hit, ...],
        candidates: tuple[Candidate, ...],
        choice: Choice,
        session: Session | None,
    ) -> Refusal | None:
        """Why the database cannot answer, where that is likely; None where it can."""
        if self._refuser is None or session is not None or choice.candidate is None:
            return None
        if choice.rule == "approved" or foreign(question.text):  # unknown words have other reasons
            return None
        everything = self._database.schema()
        found = self._refuser.judge(question, everything, hits, candidates, choice)
        return found if found.refused else None


def stripped(text: str) -> str:
    """Return a question without the white space around it.

    Raises:
        UsageError: nothing is left.
    """
    if not text.strip():
        raise UsageError("The question is empty: ask something in plain words.")
    return text.strip()


def _sure(choice: Choice, session: Session) -> bool:
    """Whether the cheap answer stands without asking language models."""
    return (
        session.cascade > 0
        and choice.candidate is not None
        and choice.confidence >= session.cascade
    )


def _warned(trace: Trace) -> tuple[str, ...]:
    return tuple(event.message for event in trace.events if isinstance(event, Warned))


def _best_guess(choice: Choice, candidates: Sequence[Candidate]) -> Candidate | None:
    """The chosen candidate; where nothing ran, the first one, with its failure."""
    if choice.candidate is not None:
        return candidates[choice.candidate]
    return candidates[0] if candidates else None


def _reason(
    choice: Choice, sure: float, threshold: float
) -> Literal["unsure", "unanswerable", "tie"] | None:
    """Why to abstain, if at all, from an answer that one is `sure` of."""
    if choice.candidate is None:
        return "unanswerable"
    if sure >= threshold:
        return None
    return "tie" if tied(choice) else "unsure"
