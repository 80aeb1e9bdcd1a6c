"""Generators that ask a language model once: which words, which model, how many samples.

A way of thinking is a `Recipe` (`prompts.write`); this is what all of them share: finding shots,
shortening the schema when it does not fit, reading the reply, and asking the same model once more
when the database refused its statement.

What is not covered: conversations (`explore`) and several samples merged into one (`merge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from quorumsql.domain import Attempt, Brief, Candidate, Failure, Message, ModelRequest
from quorumsql.errors import ContextTooLong
from quorumsql.prompts import layouts
from quorumsql.prompts.judge import correct
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import Recipe, Shot
from quorumsql.replies import sql_in
from quorumsql.stages.budget import Metered
from quorumsql.stages.link import link, within

__all__ = ["NO_SQL", "Prompted", "Shots", "written"]

NO_SQL = "The reply holds no SQL."
_SHRINKS = 2
_REPAIRS = {"xiyan": layouts.XIYAN}


class Shots(Protocol):
    """Finds solved questions that are built like the one that is asked."""

    def like(self, brief: Brief, *, count: int, private: bool) -> tuple[Shot, ...]:
        """Return up to `count` shots, the most similar last: models heed what they read last."""
        ...


class Prompted:
    """A `Generator` that follows a recipe."""

    def __init__(
        self,
        recipe: Recipe,
        model: Metered,
        *,
        samples: int = 1,
        pages: Pages | None = None,
        shots: Shots | None = None,
    ) -> None:
        """Take the recipe, who answers, and the question's pages, which say what is private."""
        self._recipe, self._model, self._samples = recipe, model, samples
        self._pages, self._shots = pages or Pages(), shots

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self._recipe.name

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        """Return a candidate per sample; one without SQL is a failure with an empty text.

        Raises:
            ModelError: the model does not answer, or the budget is spent.
        """
        replies = self._asked(brief)
        dialect = brief.schema.dialect
        return tuple(written(self.name, sql_in(text, dialect)) for text in replies)

    def corrected(
        self, brief: Brief, candidate: Candidate, result: str, advice: Sequence[str]
    ) -> str | None:
        """Return better SQL for a candidate of ours, None when the model has none.

        Raises:
            ModelError: the model does not answer, or the budget is spent.
        """
        messages = correct(
            brief,
            asked=self._messages(brief),
            sql=candidate.sql,
            result=result,
            advice=advice,
            layout=_REPAIRS.get(self.name),
            pages=self._pages,
        )
        model = self._model.during("refine")
        return sql_in(model.complete(self._request(messages))[0].text, brief.schema.dialect)

    def _asked(self, brief: Brief) -> list[str]:
        """The replies; a prompt that does not fit is tried again with half of the columns."""
        for shrunk in range(_SHRINKS + 1):
            request = self._request(self._messages(brief))
            samples = self._samples
            if samples > 1 and not request.temperature:
                request = replace(request, temperature=0.8)
            try:
                return [reply.text for reply in self._model.complete(request, samples=samples)]
            except ContextTooLong:
                if shrunk == _SHRINKS:
                    raise
                brief = _halved(brief)
                columns = sum(len(table.columns) for table in brief.schema.tables)
                self._model.purse.note(
                    f"The schema did not fit into the context of {self._model.name!r}: only "
                    f"{columns} columns were shown to {self.name}."
                )
        raise AssertionError("unreachable")

    def _messages(self, brief: Brief) -> tuple[Message, ...]:
        shots: tuple[Shot, ...] = ()
        if self._recipe.shots and self._shots is not None:
            shots = self._shots.like(brief, count=self._recipe.shots, private=self._pages.private)
        return self._recipe.write(brief, shots, self._pages)

    def _request(self, messages: tuple[Message, ...]) -> ModelRequest:
        recipe = self._recipe
        return ModelRequest(
            messages=messages,
            temperature=recipe.temperature,
            top_p=recipe.top_p,
            max_tokens=recipe.max_tokens,
        )


def written(generator: str, sql: str | None) -> Candidate:
    """Return a candidate that has not run, or one that cannot because there is no SQL."""
    if sql is None:
        nothing = Failure(kind="error", message=NO_SQL)
        return Candidate(generator=generator, attempts=(Attempt(sql="", execution=nothing),))
    return Candidate(generator=generator, attempts=(Attempt(sql=sql),))


def _halved(brief: Brief) -> Brief:
    columns = sum(len(table.columns) for table in brief.schema.tables)
    schema = link(
        brief.question, brief.schema, brief.hits, max_columns=max(columns // 2, 1), max_pieces=10**6
    )
    return replace(brief, schema=schema, hits=within(brief.hits, schema))
