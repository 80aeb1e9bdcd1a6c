"""The front door for Python: connect to a database, ask it questions.

    with connect("sqlite:///shop.db") as db:
        answer = db.ask("Which five customers spent most last year?")

A connection reads the schema, indexes values and loads models when it first needs them,
and keeps them: the second question costs only its own work.

What is not covered: asking from several threads through one connection at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Self

from quorumsql.adapted import adapted_members
from quorumsql.answered import Answered, changed
from quorumsql.config import Settings, database_home, load_settings
from quorumsql.domain import Answer, Execution, Failure, Hit, Question, Schema
from quorumsql.errors import MissingExtra, UsageError
from quorumsql.objects import answer_object, json_value
from quorumsql.opening import DESCRIPTIONS, known_folder, open_guarded, read_descriptions
from quorumsql.pipeline import Pipeline, Policy, stripped
from quorumsql.ports import Database, Generator, LanguageModel, Ranker, Selector, ValueIndex
from quorumsql.said import VERDICTS, Said
from quorumsql.shipped import (
    FOLDER,
    WIDER,
    Shipped,
    is_embedded,
    shipped_calibration,
    shipped_cascade,
)
from quorumsql.solved import recall_of
from quorumsql.stages.calibrate import Calibration, promised
from quorumsql.stages.shorten import after, shorten
from quorumsql.trace import Event, Trace, Warned

if TYPE_CHECKING:
    from quorumsql.assemble import Models
    from quorumsql.stages.plan import Planned
    from quorumsql.stages.session import LanguageEnsemble

__all__ = [
    "DESCRIPTIONS",
    "Connection",
    "answer_object",
    "connect",
    "json_value",
    "known_folder",
    "open_guarded",
    "policy_of",
    "read_descriptions",
]


def connect(
    url: str | Path,
    *,
    settings: Settings | None = None,
    generators: Sequence[Generator] | None = None,
    model: LanguageModel | None = None,
    tell: Callable[[str, float], None] | None = None,
    like: Connection | None = None,
    who: Callable[[], str] | None = None,
) -> Connection:
    """Open a database for questions; it is only ever read.

    Args:
        url: an SQLAlchemy URL, or the path of a database, a data file or a folder of those.
        settings: read from files and environment when absent.
        generators: ask these instead of the ones that the settings name.
        model: prompted generators ask this model instead of the one that the settings name.
        tell: is told which data file is being read, and how much of it is, in percent.
        like: a connection with the same generators, which shares the models it has loaded.
        who: tells on whose behalf a statement runs, for the audit log; else the settings do.

    Raises:
        ConfigError: the settings are wrong.
        DatabaseError: the database cannot be opened.
        UnknownName: the settings name a generator that does not exist.

    >>> with connect("company.sqlite") as db:
    ...     db.ask("How many orders are there?").rows
    ((5600,),)
    """
    settings = settings or load_settings()
    if model is not None and settings.model is None:
        settings = replace(settings, model=model.name)
    if generators is None and not all(map(is_embedded, settings.named)):
        from quorumsql.assemble import check_names

        check_names(settings)
    database = open_guarded(str(url), settings=settings, tell=tell, who=who)
    return Connection(
        database, settings=settings, generators=generators, model=model, url=str(url), like=like
    )


class Connection:
    """One open database and the ensemble that answers questions about it."""

    def __init__(
        self,
        database: Database,
        *,
        settings: Settings,
        generators: Sequence[Generator] | None = None,
        model: LanguageModel | None = None,
        url: str | None = None,
        like: Connection | None = None,
        selector: Selector | None = None,
    ) -> None:
        """Take an open database; most callers want `connect`.

        With `generators`, `selector` chooses among what they write; absent, votes do.

        With its `url`, what a survey found is used and kept in its folder.
        """
        self._shipped: Shipped = like._shipped if like else Shipped(settings)
        self._selector = selector
        self._url = url
        self._model = model
        self._models: Models | None = None
        self._database = database
        self._settings = settings
        self._generators = None if generators is None else tuple(generators)
        self._pipeline: Pipeline | None = None
        self._index: ValueIndex | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Short name of the database, for people."""
        return self._database.name

    @property
    def dialect(self) -> str:
        """Name of the SQL it speaks, as sqlglot calls it."""
        return self._database.dialect

    @property
    def schema(self) -> Schema:
        """Tables, columns, keys and example values."""
        return self._database.schema()

    @property
    def settings(self) -> Settings:
        """The settings that this connection was opened with."""
        return self._settings

    def ask(self, text: str, *, evidence: str = "", trace: Trace | None = None) -> Answered:
        """Answer a question in plain words, or abstain and say why.

        Args:
            text: the question.
            evidence: what one must know to understand it, e.g. what a code means.
            trace: receives the events of this question.

        Raises:
            UsageError: the question is blank, or the database cannot be read.
            ModelError: a model cannot be loaded, or every generator failed.
        """
        question = Question(text=stripped(text), evidence=evidence)  # before models are loaded
        return self._told(trace or Trace(), lambda t: self._ready().answer(question, trace=t))

    async def aask(self, text: str, *, evidence: str = "", trace: Trace | None = None) -> Answered:
        """Do what `ask` does without blocking the event loop."""
        return await asyncio.to_thread(self.ask, text, evidence=evidence, trace=trace)

    def stream(self, text: str, *, evidence: str = "") -> Iterator[Event | Answered]:
        """Yield what happens while a question is answered, and in the end the answer.

        Raises:
            UsageError: the question is blank, or the database cannot be read.
            ModelError: a model cannot be loaded, or every generator failed.
        """
        heard: SimpleQueue[Event | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as thread:
            task = thread.submit(self.ask, text, evidence=evidence, trace=Trace(heard.put))
            task.add_done_callback(lambda _: heard.put(None))
            while (event := heard.get()) is not None:
                yield event
            yield task.result()

    def follow_up(
        self, before: Answer, text: str, *, alone: bool = False, trace: Trace | None = None
    ) -> Answered:
        """Go on from an answer: "and by month?", "only Portugal", "top 5".

        Where a rule understands the words, they change the statement of `before`, and no model is
        asked; else they are asked anew, with the question before them.

        Args:
            before: an answer, or what `answered.remembered` makes of a question and its SQL.
            text: the follow-up, in plain words; where both are too long for one question, first
                the one before is cut, with a warning.
            alone: what no rule understands is a new question, asked without the one before.
            trace: receives the events of this question.

        Raises:
            UsageError: the text is blank, or the database cannot be read.
            ModelError: a model cannot be loaded, or every generator failed.

        >>> with connect("company.sqlite") as db:
        ...     db.follow_up(db.ask("How many orders are there?"), "by channel").rows
        (('phone', 1382), ('store', 1452), ('web', 2766))
        """
        words, most = stripped(text), self._settings.max_question
        anew = (words, "") if alone else after(before.question, words, most)
        return self._told(trace or Trace(), lambda t: self._gone_on(before, words, anew, t))

    def explain(self, sql: str) -> str:
        """Return what a statement does, in plain words; nothing is run.

        >>> with connect("company.sqlite") as db:
        ...     db.explain("SELECT name FROM customers ORDER BY name LIMIT 3")
        'Shows name. From customers. Sorted by name, A to Z. At most 3.'
        """
        from quorumsql.explain import explain

        return explain(sql, self.dialect)

    def _told(self, trace: Trace, work: Callable[[Trace], Answer]) -> Answered:
        """Do the work of a question, in a span of OpenTelemetry where settings ask for it."""
        if not self._settings.telemetry.enabled:
            return self._answered(work(trace))
        try:
            from quorumsql.spans import spanned
        except ModuleNotFoundError as error:
            raise MissingExtra("telemetry.enabled", "otel") from error
        with spanned(self.dialect, content=self._settings.telemetry.content) as (heard, answered):
            answer = work(trace.also(heard))
            answered(answer)
        return self._answered(answer)

    def _answered(self, answer: Answer) -> Answered:
        return Answered.of(answer, dialect=self.dialect, again=self.follow_up)

    def _gone_on(self, before: Answer, words: str, anew: tuple[str, str], trace: Trace) -> Answer:
        """Change the statement of an answer, or ask `anew`: the text, and how it was cut."""
        from quorumsql.follow import edited

        words, warning = shorten(words, self._settings.max_question)
        with trace.stage("follow"):
            hits = self.mentions(words)
            sql = edited(before.sql, words, self.schema, hits) if before.sql else None
            found = self.sql(sql) if sql else None
        if sql is None or found is None or _is_wrong(found):
            answer = self._ready().answer(Question(text=anew[0]), trace=trace)
            warning = anew[1]
        else:
            answer = changed(before, words, sql, found, hits, trace, database=self.name)
        if not warning:
            return answer
        trace.add(Warned(message=warning))
        return replace(answer, warnings=(*answer.warnings, warning))

    def load(self) -> tuple[Generator, ...]:
        """Load the embedded generators, which the first question does otherwise; return them.

        Raises:
            ModelError: they cannot be loaded.
        """
        own = None
        if self._url is not None and self._settings.members.adapted:
            own = adapted_members(known_folder(self._settings, self._url))
        return self._shipped.members(own or FOLDER)

    def plan(self, text: str, *, evidence: str = "") -> tuple[Planned, ...]:
        """Return what language models may cost for a question; nothing is sent, no key needed."""
        pipeline = self._pipeline or self._built(dry=True)
        return pipeline.plan(Question(text=stripped(text), evidence=evidence))

    def sql(self, statement: str) -> Execution:
        """Run one reading statement; what is wrong with it comes back as a `Failure`.

        Raises:
            DatabaseError: the database itself is gone.

        >>> with connect("company.sqlite") as db:
        ...     db.sql("DELETE FROM orders").message
        'Refused: DELETE is not a query; only SELECT may run.'
        """
        return self._database.execute(statement, limits=self._settings.limits)

    def mentions(self, text: str) -> tuple[Hit, ...]:
        """Return the stored values that `text` mentions, best first, also with typos.

        Raises:
            DatabaseError: the database cannot be read.
        """
        return self._values().mentions(text)

    def learn(self, text: str, sql: str, *, evidence: str = "") -> bool:
        """Propose a solved question as an example; nothing uses it before somebody approves it.

        Returns whether it was new. `quorum examples approve` or a reviewer on the page approves.

        Raises:
            UsageError: the statement does not run.

        >>> with connect("company.sqlite") as db:
        ...     db.learn("all customers", "SELECT name FROM customers")
        True
        """
        from quorumsql.solved import examples_path
        from quorumsql.stages.shots import shot_of
        from quorumsql.stores.examples import ExampleStore

        found = self.sql(sql)
        if isinstance(found, Failure):
            raise UsageError(f"The SQL does not run: {found.message}")
        shot = shot_of(text, sql, self.schema, self.mentions(text), evidence=evidence)
        store = ExampleStore(examples_path(self._settings))
        home = database_home(self._settings, self._url).name if self._url else ""
        return bool(store.add([shot], database=self.name, approved=False, home=home))

    def close(self) -> None:
        """Give back the database; safe to call twice."""
        self._pipeline = None
        if self._models is not None:
            self._models.close()
        if self._index is not None:
            self._index.close()
            self._index = None
        self._database.close()

    def _ready(self) -> Pipeline:
        """The pipeline, built by the first question and kept."""
        if self._pipeline is None:
            self._pipeline = self._built()
        return self._pipeline

    def _built(self, *, dry: bool = False) -> Pipeline:
        own = self._generators is None
        chosen_by = self._settings.members.selector
        members = self.load() if own else self._generators or ()
        free = self._settings.max_error is None  # a promise was measured with all members asked
        cascades = free and self._settings.members.cascade != "off"
        asked = [one.name for one in members if free]
        calibration = shipped_calibration(chosen_by, asked=asked) if own else Calibration()
        said = self._said(calibration)
        return Pipeline(
            database=self._database,
            generators=members,
            index=self._values(),
            policy=self._policy(calibration),
            calibration=calibration,
            ranks=calibration.ranks,
            language=self._language(dry=dry) if own else None,
            ranker=self._ranker() if own else None,
            cascade=shipped_cascade(chosen_by) if own and cascades else None,
            selector=self._shipped.selector() if own else self._selector,
            reader=self._shipped.reader() if own else None,
            trust=partial(_trusted, self._settings.trust, said),
            shift=said.shift,
            refuser=self._shipped.refuser() if own else None,
            recall=recall_of(self._settings, self._url, self.name) if own and self._url else None,
        )

    def _said(self, calibration: Calibration) -> Said:
        """What people said of this database's answers; nothing where it has no address."""
        home = database_home(self._settings, self._url) if self._url else None
        return Said(home / VERDICTS if home else None, spread=calibration.spread)

    def _ranker(self) -> Ranker | None:
        """What filters a large schema: the embedded generators, where they take part."""
        from quorumsql.stages.narrow import Drafts
        from quorumsql.stages.relevance import load_relevance

        members = self.load()
        return Drafts(members, load_relevance()) if members else None

    def _policy(self, calibration: Calibration) -> Policy:
        """The policy, with the threshold that keeps the promise about errors, if one is asked."""
        policy, wanted = policy_of(self._settings), self._settings.max_error
        if wanted is None:
            return policy
        only_ours = all(map(is_embedded, self._settings.named))
        known = calibration if only_ours else Calibration()
        return replace(policy, threshold=promised(wanted, known), promised=True)

    def _values(self) -> ValueIndex:
        """The index of stored values, made by the first use and kept."""
        if self._index is None:
            from quorumsql.survey import file_stamp, value_index

            self._index = value_index(
                self._database,
                known_folder(self._settings, self._url) if self._url else None,
                stamp=file_stamp(self._url or ""),
                private=self._settings.unread,
            )
        return self._index

    def _language(self, *, dry: bool) -> LanguageEnsemble | None:
        """The language models that take part; None when all generators are embedded."""
        names = [name for name in self._settings.named if not is_embedded(name)]
        if not names:
            return None
        from quorumsql.assemble import Models

        self._models = Models(self._settings, self._model, dry=dry)
        return self._models.ensemble(names, ranker=self._ranker())


def _trusted(given: Mapping[str, float], said: Said, names: Sequence[str]) -> Mapping[str, float]:
    """What votes count: as settings have it, times what verdicts taught."""
    learned = said.trust(names)
    if not given and not learned:
        return {}
    return {name: given.get(name, 1.0) * learned.get(name, 1.0) for name in names}


def _is_wrong(found: Execution) -> bool:
    """Whether a changed statement makes no sense to the database; stopped ones are answers."""
    return isinstance(found, Failure) and found.kind == "error"


def policy_of(settings: Settings) -> Policy:
    """Return the numbers of `settings` that govern a pipeline."""
    below = settings.members.cascade
    return Policy(
        max_columns=settings.max_columns,
        max_question=settings.max_question,
        hypotheses=WIDER * settings.hypotheses,
        limits=settings.limits,
        seconds=settings.seconds,
        threshold=settings.threshold,
        cascade=None if isinstance(below, str) else below,
    )
