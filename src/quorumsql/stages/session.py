"""The language models' part of one question: schemas, drafts, repairs, a judgement.

`LanguageEnsemble` says who takes part; a `Session` is one question with a purse of its own. The
pipeline calls its four methods one after another, each a stage of the paper:

    schemas -> write -> repair -> judge

What is not covered: running statements and voting, which are the same for all candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from quorumsql.domain import Brief, Candidate, Choice, Hit, Limits, Question, Schema, Usage
from quorumsql.errors import ModelError
from quorumsql.ports import Database, LanguageModel, Ranker, ValueIndex
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import RECIPES
from quorumsql.stages.budget import Allowance, CostOf, Purse
from quorumsql.stages.columns import choose_columns, keywords_of
from quorumsql.stages.explore import Explore
from quorumsql.stages.link import Prepared, link, within
from quorumsql.stages.merge import SelfMoA
from quorumsql.stages.narrow import narrow
from quorumsql.stages.prompted import Prompted, Shots
from quorumsql.stages.repair import Drafted, repair
from quorumsql.stages.select import Judge, Method, Order
from quorumsql.stages.together import together

__all__ = ["NAMES", "PARTS", "LanguageEnsemble", "Lost", "Session"]

Lost = Callable[[str, ModelError], None]

NAMES: tuple[str, ...] = (*RECIPES, "explore", "self-moa", "self-moa-seq")
"""Every generator that asks a language model."""

PARTS: tuple[str, ...] = (*NAMES, "selector", "linking")
"""Whatever may have a model of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageEnsemble:
    """Which models and ways of thinking take part.

    `models` names those generators that use another model than `model`, and may name "selector"
    and "linking". Schemas of more than
    `narrow` columns are filtered: by the `ranker`, with `linking` "model" by a model, and without
    either by names, S1 to `narrow` and S2 to `wide` columns. With `selector` "vote" no model
    judges. `cascade` is the confidence from which the cheap members' answer stands; 0 always
    asks.
    """

    model: LanguageModel
    generators: tuple[str, ...]
    models: Mapping[str, LanguageModel] = field(default_factory=dict)
    allowance: Allowance = field(default_factory=Allowance)
    cost_of: CostOf = lambda *_: None
    shots: Shots | None = None
    ranker: Ranker | None = None
    samples: int = 1
    narrow: int = 40
    wide: int = 120
    linking: Literal["rules", "model"] = "rules"
    refine: bool = True
    selector: Method | Literal["vote"] = "llm"
    order: Order = "s3"
    private: bool = False
    cascade: float = 0.0

    def asked(self, part: str) -> LanguageModel:
        """Return the model of a generator, of "selector" or of "linking"."""
        return self.models.get(part, self.model)

    def session(self, database: Database, index: ValueIndex) -> Session:
        """Begin a question: from now on its time runs."""
        return Session(self, database, index)


class Session:
    """One question's conversations with models."""

    def __init__(self, ensemble: LanguageEnsemble, database: Database, index: ValueIndex) -> None:
        """Start with an untouched allowance."""
        self._ensemble, self._database, self._index = ensemble, database, index
        self._pages = Pages(private=ensemble.private)
        self._purse = Purse(ensemble.allowance, cost_of=ensemble.cost_of)
        self._drafts: list[Drafted] = []

    @property
    def cascade(self) -> float:
        """The confidence from which models need not be asked."""
        return self._ensemble.cascade

    @property
    def spent(self) -> Mapping[str, Usage]:
        """What each stage has cost."""
        return self._purse.spent

    @property
    def notes(self) -> tuple[str, ...]:
        """What went other than planned."""
        return self._purse.notes

    @property
    def seconds_left(self) -> float:
        """Until the question must be answered."""
        return self._purse.seconds_left

    def schemas(
        self,
        question: Question,
        everything: Schema,
        hits: Sequence[Hit],
        on_lost: Lost,
        *,
        prepared: Prepared | None = None,
    ) -> tuple[Brief, ...]:
        """Return what generators see: briefs with S1 and S2, one where both are the same.

        `prepared` is what linking knows of `everything`, where the caller has it already.
        """
        if prepared is None or prepared.schema is not everything:
            prepared = Prepared(everything)
        found: tuple[Schema, ...] = ()
        if self._ensemble.linking == "model":
            try:
                found = self._chosen(question, prepared, hits)
            except ModelError as error:
                on_lost("schema linking", error)
        if not found:
            found = self._ranked(question, prepared, hits)
        if not found:
            small = self._linked(question, prepared, hits, self._ensemble.narrow)
            wide = self._linked(question, prepared, hits, self._ensemble.wide)
            found = (small,) if small == wide else (small, wide)
        return tuple(
            Brief(question=question, schema=schema, hits=within(hits, schema)) for schema in found
        )

    def write(self, briefs: Sequence[Brief], on_lost: Lost) -> tuple[Candidate, ...]:
        """Return the drafts of every generator on every schema.

        A generator that fails has no candidates; `on_lost` hears of it.
        """
        jobs = [
            (self._generator(name), brief) for name in self._ensemble.generators for brief in briefs
        ]
        outcomes = together(
            [partial(writer.generate, brief) for writer, brief in jobs],
            names=[writer.name for writer, _ in jobs],
        )
        for (writer, brief), outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, ModelError):
                on_lost(writer.name, outcome)
            else:
                self._drafts += [
                    Drafted(candidate=one, writer=writer, brief=brief) for one in outcome
                ]
        return tuple(draft.candidate for draft in self._drafts)

    def repair(
        self, candidates: Sequence[Candidate], limits: Limits, on_lost: Lost
    ) -> tuple[Candidate, ...]:
        """Return `candidates` with better ones where their writers could mend them.

        `candidates` are those of `write` in its order, now with what the database made of them.
        """
        if not self._ensemble.refine:
            return tuple(candidates)
        drafts = [
            Drafted(candidate=candidate, writer=draft.writer, brief=draft.brief)
            for candidate, draft in zip(candidates, self._drafts, strict=True)
        ]

        def left() -> Limits:
            return replace(limits, seconds=max(min(limits.seconds, self.seconds_left), 0.01))

        better = repair(
            drafts,
            database=self._database,
            limits=left,
            private=self._ensemble.private,
            on_lost=on_lost,
        )
        return tuple(better.get(n, candidate) for n, candidate in enumerate(candidates))

    def judge(
        self,
        brief: Brief,
        candidates: Sequence[Candidate],
        choice: Choice,
        *,
        ranks: Mapping[str, int],
        on_lost: Lost,
    ) -> Choice:
        """Return the choice of the model that selects, or `choice` where it cannot."""
        ensemble = self._ensemble
        if ensemble.selector == "vote":
            return choice
        judge = Judge(
            self._purse.model(ensemble.asked("selector"), "choose"),
            method=ensemble.selector,
            order=ensemble.order,
            pages=self._pages,
        )
        try:
            return judge.choose(brief, candidates, choice, ranks=ranks)
        except ModelError as error:
            on_lost("selector", error)
            return choice

    def _generator(self, name: str) -> Prompted:
        ensemble = self._ensemble
        model = self._purse.model(ensemble.asked(name), "generate")
        pages = self._pages
        match name:
            case "explore":
                return Explore(model, database=self._database, index=self._index, pages=pages)
            case "self-moa" | "self-moa-seq":
                return SelfMoA(model, pages=pages, sequential=name.endswith("-seq"))
            case _:
                return Prompted(
                    RECIPES[name],
                    model,
                    samples=ensemble.samples,
                    pages=pages,
                    shots=ensemble.shots,
                )

    def _ranked(
        self, question: Question, prepared: Prepared, hits: Sequence[Hit]
    ) -> tuple[Schema, ...]:
        """S1 and S2 by the ranker; a schema that is small enough is shown whole."""
        if prepared.width <= self._ensemble.narrow:
            return (prepared.schema,)
        if self._ensemble.ranker is None:
            return ()
        linked = link(
            question,
            prepared.schema,
            hits,
            max_columns=self._ensemble.wide,
            prepared=prepared,
        )
        brief = Brief(question=question, schema=linked, hits=within(hits, linked))
        try:
            nested = narrow(linked, self._ensemble.ranker.rank(brief))
        except ModelError:  # no members are installed: names must do
            return ()
        return tuple(dict.fromkeys((nested.precise, nested.wide)))

    def _linked(
        self, question: Question, prepared: Prepared, hits: Sequence[Hit], columns: int
    ) -> Schema:
        # A language model reads more than the embedded encoder: names may be long.
        return link(
            question,
            prepared.schema,
            hits,
            max_columns=columns,
            max_pieces=12 * columns,
            prepared=prepared,
        )

    def _chosen(
        self, question: Question, prepared: Prepared, hits: Sequence[Hit]
    ) -> tuple[Schema, ...]:
        """Algorithm 1: keywords, retrieval with them, two rounds of columns."""
        if prepared.width <= self._ensemble.narrow:
            return ()
        model = self._purse.model(self._ensemble.asked("linking"), "link")
        words = keywords_of(question, model)
        asked = Question(text=question.text, evidence=" ".join([question.evidence, *words]).strip())
        found = [hit for word in words for hit in self._index.mentions(word)]
        retrieved = self._linked(asked, prepared, [*hits, *found], self._ensemble.wide)
        if retrieved == prepared.schema:
            retrieved = self._linked(question, prepared, hits, self._ensemble.wide)
        return choose_columns(question, retrieved, hits, model, pages=self._pages)
