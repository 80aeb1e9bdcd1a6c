"""What a question would cost, before anything is sent.

The prompts are written as they would be sent and counted, so that tokens of drafts are close; what
depends on replies (repairs, looks around, the judgement) is counted as often as it may come. So a
plan says at most how many calls, and about how many tokens.

What is not covered: the cascade. When embedded members are sure, nothing of this is spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quorumsql.domain import Brief, Completion, Hit, ModelRequest, Question, Schema, Usage
from quorumsql.ports import Database, ValueIndex
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import opening
from quorumsql.stages.budget import Allowance, CostOf, tokens_of
from quorumsql.stages.session import LanguageEnsemble

__all__ = ["Planned", "plan"]

_REPLIES = {"explore": 6, "self-moa": 5, "self-moa-seq": 6}
_SQL = "```sql\nSELECT 1\n```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One line of a plan: at most so many calls, about so many tokens; unknown prices are None."""

    stage: str
    generator: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None


def plan(
    ensemble: LanguageEnsemble,
    question: Question,
    everything: Schema,
    hits: Sequence[Hit],
    *,
    database: Database,
    index: ValueIndex,
) -> tuple[Planned, ...]:
    """Return what answering `question` may cost, stage by stage; nothing is sent."""
    rules = replace(ensemble, linking="rules", allowance=Allowance())
    briefs = rules.session(database, index).schemas(question, everything, hits, _never)
    lines: list[Planned] = []
    if ensemble.linking == "model" and len(briefs) > 1:
        tokens = len(_shown(briefs[-1])) // 3
        model = ensemble.asked("linking").name
        lines.append(_line("link", "columns", ensemble, model, 3, 2 * tokens, 600))
    drafts = [_drafted(ensemble, name, briefs, database, index) for name in ensemble.generators]
    lines += drafts
    if ensemble.refine:
        lines += [replace(_again(one, ensemble.cost_of), stage="refine") for one in drafts]
    pool = sum(one.calls for one in drafts if one.stage == "generate")
    if ensemble.selector != "vote" and pool > 1:
        calls = 2 if ensemble.selector == "duel" else 1
        each = len(_shown(briefs[-1])) // 3 + 250 * (2 if calls == 2 else min(pool, 26))
        model, tokens = ensemble.asked("selector").name, calls * each
        lines.append(_line("choose", ensemble.selector, ensemble, model, calls, tokens, 4 * calls))
    return tuple(lines)


class _Counting:
    """A model that counts what it is asked and has one answer to everything."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tokens = 0
        self.calls = 0

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        del seconds
        self.calls += samples
        self.tokens += tokens_of(request)
        return tuple(Completion(text=_SQL, usage=Usage()) for _ in range(samples))


def _drafted(
    ensemble: LanguageEnsemble,
    name: str,
    briefs: Sequence[Brief],
    database: Database,
    index: ValueIndex,
) -> Planned:
    counting = _Counting(ensemble.asked(name).name)
    alone = replace(ensemble, model=counting, models={}, generators=(name,), allowance=Allowance())
    alone.session(database, index).write(briefs, _never)
    factor = _REPLIES[name] * len(briefs) / counting.calls if name in _REPLIES else 1
    calls = round(counting.calls * factor)
    tokens = round(counting.tokens * factor)
    return _line("generate", name, ensemble, counting.name, calls, tokens, 200 * calls)


def _line(
    stage: str,
    generator: str,
    ensemble: LanguageEnsemble,
    model: str,
    calls: int,
    input_tokens: int,
    output_tokens: int,
) -> Planned:
    return Planned(
        stage=stage,
        generator=generator,
        model=model,
        calls=calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd=ensemble.cost_of(input_tokens, output_tokens),
    )


def _again(line: Planned, cost_of: CostOf) -> Planned:
    """The same prompts once more, with a statement and its result."""
    tokens = line.input_tokens + 200 * line.calls
    return replace(line, input_tokens=tokens, usd=cost_of(tokens, line.output_tokens))


def _shown(brief: Brief) -> str:
    return "".join(opening(brief, Pages()))


def _never(name: str, error: Exception) -> None:
    raise AssertionError(f"{name} cannot fail in a plan") from error
