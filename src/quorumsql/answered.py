"""An answer as Python users hold it: a table, a chart, a notebook's view, the next question.

Where two readings of a question tie, `taken` makes the answer of the one that a person meant.

What is not covered: drawing charts; notebooks draw Vega-Lite themselves.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeVar

from quorumsql.charts import chart
from quorumsql.domain import Answer, Attempt, Candidate, Choice, Execution, Group, Hit
from quorumsql.errors import UsageError
from quorumsql.objects import json_value
from quorumsql.sql import is_ordered
from quorumsql.stages.answerable import refusal_in
from quorumsql.trace import Asked, Chosen, Trace
from quorumsql.words import in_words

__all__ = ["Answered", "Chart", "changed", "remembered", "taken"]

A = TypeVar("A", bound=Answer)

FOLLOW_UP = "follow-up"
"""Who wrote a statement that a follow-up made out of the one before."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification that notebooks draw."""

    spec: dict[str, Any]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            "application/vnd.vegalite.v5+json": self.spec,
            "text/plain": self.spec["description"],
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answered(Answer):
    """An `Answer` that knows the connection it came from; pickled, it is a plain `Answer`."""

    again: Callable[[Answered, str], Answered] | None = field(
        default=None, repr=False, compare=False
    )
    dialect: str = field(default="sqlite", repr=False, compare=False)

    @classmethod
    def of(
        cls, answer: Answer, *, dialect: str, again: Callable[[Answered, str], Answered]
    ) -> Self:
        """Return `answer` with what it takes to go on from it."""
        known = {one.name: getattr(answer, one.name) for one in fields(Answer)}
        return cls(**known, dialect=dialect, again=again)

    @property
    def words(self) -> str:
        """The result in a sentence; empty when nothing ran.

        >>> answer.words
        '5600.'
        """
        return in_words(self.columns, self.rows, truncated=self.truncated) if self.columns else ""

    @property
    def why(self) -> str:
        """One sentence: who voted for what, or that the statement before was changed."""
        if [one.generator for one in self.candidates] == [FOLLOW_UP]:
            return "The statement of the answer before was changed; it is as sure as that one."
        return super(Answered, self).why

    def df(self) -> Any:
        """Return the rows as a data frame of pandas, or of polars where only that is installed.

        Raises:
            UsageError: neither is installed, or nothing ran.

        >>> answer.df().shape
        (1, 1)
        """
        if not self.columns:
            raise UsageError("There are no rows: the question was not answered.")
        names = _distinct(self.columns)
        try:
            import pandas
        except ModuleNotFoundError:
            pass
        else:
            return pandas.DataFrame.from_records(list(self.rows), columns=names)
        try:
            import polars
        except ModuleNotFoundError as error:
            raise UsageError(
                "A data frame needs pandas or polars: run pip install pandas."
            ) from error
        return polars.DataFrame(list(self.rows), schema=names, orient="row", strict=False)

    def chart(self) -> Chart | None:
        """Return the chart that suits the rows, or None where the table says it better.

        >>> answer.follow_up("by channel").chart().spec["mark"]
        'bar'
        """
        ordered = is_ordered(self.sql or "", self.dialect)
        spec = chart(self.columns, self.rows, ordered=ordered)
        return Chart(spec) if spec else None

    def follow_up(self, text: str) -> Answered:
        """Ask something about this answer: "and by month?", "only Portugal", "top 5".

        Raises:
            UsageError: the text is blank.

        >>> answer.follow_up("only in 2023").follow_up("by channel").columns
        ('channel', 'COUNT(*)')
        """
        if self.again is None:
            raise UsageError("This answer has left its connection: ask there.")
        return self.again(self, text)

    def take(self, reading: int) -> Answered:
        """Return the answer of one of two `readings`, counted from 0: the one that was meant.

        Raises:
            UsageError: there is no such reading.
        """
        return taken(self, reading)

    def __str__(self) -> str:
        """The result in a sentence, its SQL and how sure it is, as a few lines."""
        parts = (self._why_none, self.clarify, self.words, self.sql or "")
        sure = f"Confidence {self.confidence:.0%}. {self.why}"
        return "\n".join([*filter(None, parts), sure])

    @property
    def _why_none(self) -> str:
        """Why there is no answer, where there is none but a guess."""
        if not self.abstained:
            return ""
        why = refusal_in(self.warnings) if self.reason == "unanswerable" else ""
        why = why or "too unsure."
        return f"No answer: {why}{' This is the best guess.' if self.sql else ''}"

    def _repr_html_(self) -> str:
        """What notebooks show; values and names of the database stay text."""
        parts = [f"<p><strong>{html.escape(self.question)}</strong></p>"]
        if self.abstained:
            parts.append(f"<p>{html.escape(self._why_none)}</p>")
        if self.clarify:
            parts.append(f"<p>{html.escape(self.clarify)}</p>")
        parts.append(f"<p>{html.escape(self.words)}</p>")
        if self.columns:
            head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
            rows = (
                "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>"
                for row in self.rows[:_SHOWN]
            )
            parts.append(
                f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            )
            if len(self.rows) > _SHOWN:
                parts.append(f"<p>{len(self.rows) - _SHOWN} more rows.</p>")
        parts.append(f"<pre>{html.escape(self.sql or '')}</pre>")
        parts.append(f"<p>Confidence {self.confidence:.0%}. {html.escape(self.why)}</p>")
        return "".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _plain, ({one.name: getattr(self, one.name) for one in fields(Answer)},)


def changed(
    before: Answer,
    words: str,
    sql: str,
    execution: Execution,
    hits: tuple[Hit, ...],
    trace: Trace,
    *,
    database: str = "",
) -> Answer:
    """Return the answer to a follow-up that changed the SQL of the one `before`.

    It is as sure as that one: only its statement was voted on. `trace` hears of it.
    """
    made = Candidate(
        generator=FOLLOW_UP, attempts=(Attempt(sql=sql, execution=execution),), weight=1.0
    )
    question = f"{before.question} {words}"
    trace.add(Asked(question=question, database=database))
    trace.executed([made])
    trace.add(
        Chosen(
            sql=sql, rule="follow-up", groups=1, votes=1.0,
            confidence=before.confidence, abstained=before.abstained,
        )
    )  # fmt: skip
    return Answer(
        question=question,
        sql=sql,
        execution=execution,
        confidence=before.confidence,
        abstained=before.abstained,
        reason=before.reason,
        choice=Choice(
            candidate=0,
            groups=(Group(members=(0,), votes=1.0),),
            confidence=before.choice.confidence,
            rule="unanimous",
        ),
        candidates=(made,),
        hits=hits,
        warnings=before.warnings,
        timings_ms=trace.timings_ms,
    )


def taken(answer: A, reading: int) -> A:
    """Return `answer` as it is when a person says which of its two readings they meant.

    Confidence stays: it was measured without anybody's help, and nothing says how much that adds.

    Raises:
        UsageError: there is no such reading.
    """
    if not 0 <= reading < len(answer.readings):
        raise UsageError(
            f"There is no reading {reading} to choose: this answer has {len(answer.readings)}."
        )
    place = answer.readings[reading].candidate
    groups = sorted(answer.choice.groups, key=lambda group: place not in group.members)
    return replace(
        answer,
        sql=answer.candidates[place].sql,
        execution=answer.candidates[place].final.execution,
        abstained=False,
        reason=None,
        choice=replace(answer.choice, candidate=place, groups=tuple(groups)),
        readings=(),
    )


def remembered(question: str, sql: str, confidence: float) -> Answer:
    """Return an answer to go on from, of which only question, SQL and confidence are known."""
    made = Candidate(generator="remembered", attempts=(Attempt(sql=sql),))
    return Answer(
        question=question,
        sql=sql,
        execution=None,
        confidence=confidence,
        abstained=False,
        reason=None,
        choice=Choice(candidate=0, confidence=confidence),
        candidates=(made,),
    )


def _plain(known: dict[str, Any]) -> Answer:
    return Answer(**known)


def _cell(value: object) -> str:
    return "<em>NULL</em>" if value is None else html.escape(str(json_value(value)))


def _distinct(columns: tuple[str, ...]) -> list[str]:
    """The names, later ones numbered where they repeat: data frames want that."""
    found: list[str] = []
    for name in columns:
        fresh, number = name, 2
        while fresh in found:
            fresh, number = f"{name}_{number}", number + 1
        found.append(fresh)
    return found
