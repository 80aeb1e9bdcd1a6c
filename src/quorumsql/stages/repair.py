"""Ask the writer of a statement once more, with what the database said about it.

XiYan-SQL's refiner (arXiv 2507.04701, Algorithm 2): one retry, by the same generator, after an
exception or an anomalous value: an error, a timeout, no row, nothing but NULL. Rules (`checks`) add
their advice where they fire. The paper keeps the new statement unseen; here the better of the two
stays: one that runs over one that fails, one with rows over one without, the new one when equal.

What is not covered: statements with a plausible result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from quorumsql.domain import Attempt, Brief, Candidate, Execution, Failure, Limits, Rows
from quorumsql.errors import ModelError
from quorumsql.ports import Database
from quorumsql.prompts.judge import result_text
from quorumsql.stages.checks import Case, advice
from quorumsql.stages.prompted import Prompted
from quorumsql.stages.together import together
from quorumsql.stages.wording import safe_execution

__all__ = ["Drafted", "anomalous", "repair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A candidate, who wrote it and what was shown to them."""

    candidate: Candidate
    writer: Prompted
    brief: Brief


def anomalous(execution: Execution | None) -> bool:
    """Whether a result calls for a second look: a failure, no row, nothing but NULL."""
    match execution:
        case Rows(rows=rows):
            return all(value is None for row in rows for value in row)
        case Failure(kind=kind):
            return kind != "cap"
        case _:
            return True


def repair(
    drafts: Sequence[Drafted],
    *,
    database: Database,
    limits: Callable[[], Limits],
    private: bool = False,
    on_lost: Callable[[str, ModelError], None] | None = None,
) -> Mapping[int, Candidate]:
    """Return better candidates by the position of the draft they replace.

    All writers are asked at once; `limits` says what a statement may cost when it runs. A writer
    that does not answer leaves its candidate as it was.
    """
    advice_of = _advices(drafts, database, private)
    jobs = {n: one for n, one in enumerate(drafts) if _worth(one, advice_of[n])}
    outcomes = together(
        [partial(_second, one, advice_of[n], database, limits, private) for n, one in jobs.items()]
    )
    better: dict[int, Candidate] = {}
    for (number, draft), outcome in zip(jobs.items(), outcomes, strict=True):
        if isinstance(outcome, Candidate):
            better[number] = outcome
        elif outcome is not None and on_lost is not None:
            on_lost(draft.writer.name, outcome)
    return better


def _worth(draft: Drafted, told: Sequence[str]) -> bool:
    execution = draft.candidate.final.execution
    if isinstance(execution, Failure) and execution.kind == "cap":
        return False
    return anomalous(execution) or bool(told)


def _advices(drafts: Sequence[Drafted], database: Database, private: bool) -> list[tuple[str, ...]]:
    """What the rules say of each draft; the same statement on the same schema is read once."""

    def values(table: str, column: str, limit: int) -> tuple[object, ...]:
        return database.values(table, column, limit=limit)

    known: dict[tuple[str, int], tuple[str, ...]] = {}
    keys = [(draft.candidate.sql, id(draft.brief)) for draft in drafts]
    for key, draft in zip(keys, drafts, strict=True):
        if key not in known:
            known[key] = advice(
                Case(
                    sql=draft.candidate.sql,
                    schema=draft.brief.schema,
                    execution=draft.candidate.final.execution,
                    hits=() if private else draft.brief.hits,
                    values=values,
                    private=private,
                )
            )
    return [known[key] for key in keys]


def _second(
    draft: Drafted,
    told: Sequence[str],
    database: Database,
    limits: Callable[[], Limits],
    private: bool,
) -> Candidate | None:
    candidate, brief = draft.candidate, draft.brief
    before = candidate.final.execution
    shown = before
    if private and before is not None:
        shown = safe_execution(before, candidate.sql, brief.schema)
    sql = draft.writer.corrected(brief, candidate, result_text(shown, private=private), told)
    if sql is None or sql == candidate.sql:
        return None
    now = database.execute(sql, limits=limits())
    if _rank(now) < _rank(before):
        return None
    return replace(candidate.after(Attempt(sql=sql, execution=now)), guessed=False)


def _rank(execution: Execution | None) -> int:
    """How good a result looks: it ran, it has rows, they say something."""
    if not isinstance(execution, Rows):
        return 0
    if not execution.rows:
        return 1
    return 2 if anomalous(execution) else 3
