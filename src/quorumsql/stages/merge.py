"""Self-MoA: several samples of one model, merged by that model into one answer.

Li et al., "Rethinking Mixture-of-Agents" (arXiv 2502.00674): samples of the single best model,
synthesised, beat mixtures of different models. `sequential` reads them in windows and carries the
answer so far along, so that any number fits into a context.

What is not covered: weighing samples by how likely the model found them.
"""

from __future__ import annotations

from collections import Counter

from quorumsql.domain import Brief, Candidate, ModelRequest
from quorumsql.prompts.judge import merge
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import RECIPES
from quorumsql.replies import sql_in
from quorumsql.stages.budget import Metered
from quorumsql.stages.prompted import Prompted, written

__all__ = ["SelfMoA"]

WINDOW = 2  # samples read beside the answer so far; four samples take two steps


class SelfMoA(Prompted):
    """A `Generator` that samples the plain recipe and merges what comes."""

    def __init__(
        self,
        model: Metered,
        *,
        samples: int = 4,
        pages: Pages | None = None,
        sequential: bool = False,
    ) -> None:
        """Take who answers, and how often."""
        super().__init__(RECIPES["direct"], model, samples=samples, pages=pages)
        self._sequential = sequential

    @property
    def name(self) -> str:
        """Name of the parallel or of the sequential form."""
        return "self-moa-seq" if self._sequential else "self-moa"

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        """Return the merged candidate; where all samples agree there is nothing to merge.

        Raises:
            ModelError: the model does not answer, or the budget is spent.
        """
        dialect = brief.schema.dialect
        found = [sql for text in self._asked(brief) if (sql := sql_in(text, dialect))]
        distinct = [sql for sql, _ in Counter(found).most_common()]
        if len(distinct) <= 1:
            return (written(self.name, distinct[0] if distinct else None),)
        if not self._sequential:
            return (written(self.name, self._merged(brief, found, "") or distinct[0]),)
        best, rest = found[0], found[1:]
        for start in range(0, len(rest), WINDOW):
            best = self._merged(brief, rest[start : start + WINDOW], best) or best
        return (written(self.name, best),)

    def _merged(self, brief: Brief, statements: list[str], so_far: str) -> str | None:
        messages = merge(brief, statements, self._pages, so_far=so_far)
        request = ModelRequest(messages=messages, temperature=0.0, max_tokens=1024)
        return sql_in(self._model.complete(request)[0].text, brief.schema.dialect)
