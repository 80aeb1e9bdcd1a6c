"""A generator that looks around in the database before it answers.

It may list columns, search values and run small queries, a bounded number of times, each inside the
guard with caps of its own. With `private` it learns where something is stored and how many rows
come back, never a value.

What is not covered: remembering what was found for the next question.
"""

from __future__ import annotations

from dataclasses import replace

from quorumsql.domain import Brief, Candidate, Limits, Message, ModelRequest, Schema
from quorumsql.ports import Database, ValueIndex
from quorumsql.prompts.explore import ACTION, begin, last_call, observed
from quorumsql.prompts.inert import harmless, inert
from quorumsql.prompts.judge import result_text
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import RECIPES
from quorumsql.render import render
from quorumsql.replies import json_in, sql_in
from quorumsql.stages.budget import Metered
from quorumsql.stages.prompted import Prompted, written
from quorumsql.stages.wording import safe_execution

__all__ = ["Explore"]

LOOK = Limits(seconds=3.0, rows=50, bytes=256 * 1024)
_FOUND = 8


class Explore(Prompted):
    """A `Generator` of up to `steps` looks and one answer."""

    def __init__(
        self,
        model: Metered,
        *,
        database: Database,
        index: ValueIndex,
        steps: int = 5,
        pages: Pages | None = None,
    ) -> None:
        """Take who answers and where it may look."""
        super().__init__(RECIPES["direct"], model, pages=pages)
        self._database, self._index, self._steps = database, index, steps

    @property
    def name(self) -> str:
        """Its name."""
        return "explore"

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        """Return the candidate with which the model ends its looking around.

        Raises:
            ModelError: the model does not answer, or the budget is spent.
        """
        dialect = brief.schema.dialect
        messages = begin(brief, self._pages, steps=self._steps)
        seen: set[tuple[str, str]] = set()
        for left in range(self._steps - 1, -1, -1):
            reply = self._reply(messages, schema=True)
            found = json_in(reply)
            action = str((found or {}).get("action", ""))
            text = str((found or {}).get("text", ""))
            if action not in {"columns", "search", "query"}:
                sql = sql_in(text, dialect) or sql_in(reply, dialect)
                if sql is not None:
                    return (written(self.name, sql),)
                break
            if (action, text) in seen:  # it turns in circles
                break
            seen.add((action, text))
            messages += observed(action, text, self._look(action, text, brief), left=left)
        reply = self._reply((*messages, last_call()), schema=False)
        return (written(self.name, sql_in(reply, dialect)),)

    def _reply(self, messages: tuple[Message, ...], *, schema: bool) -> str:
        request = ModelRequest(
            messages=messages, temperature=0.0, schema=ACTION if schema else None
        )
        return self._model.complete(request)[0].text

    def _look(self, action: str, text: str, brief: Brief) -> str:
        match action:
            case "columns":
                return self._columns(text)
            case "search":
                return self._search(text)
            case _:
                execution = self._database.execute(text, limits=LOOK)
                if self._pages.private:
                    execution = safe_execution(execution, text, brief.schema)
                return result_text(execution, private=self._pages.private)

    def _columns(self, name: str) -> str:
        everything = self._database.schema()
        table = everything.table(name.strip().strip('"`[]').split(".")[-1])
        if table is None:
            names = ", ".join(inert(t.name) for t in everything.tables[:200])
            return f"There is no such table. Tables: {names}"
        only = Schema(name=everything.name, tables=(table,), dialect=everything.dialect)
        return render(harmless(only, (), private=self._pages.private)[0])

    def _search(self, phrase: str) -> str:
        hits = self._index.mentions(phrase[:200])[:_FOUND]
        if not hits:
            return "Nothing like this is stored in a text column."
        shown = (replace(hit, value="(like this)") if self._pages.private else hit for hit in hits)
        lines = [f"{hit.table}.{hit.column}: {inert(str(hit.value))}" for hit in shown]
        return "\n".join(dict.fromkeys(lines))
