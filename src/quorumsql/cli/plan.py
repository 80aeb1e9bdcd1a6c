"""A plan of calls and costs, for people and as a sum.

What is not covered: making plans (`stages.plan`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quorumsql.stages.plan import Planned

__all__ = ["dollars", "show_plan", "total"]


def total(lines: Sequence[Planned]) -> dict[str, Any]:
    """Return the sum of a plan; `usd` is None as soon as one price is not known."""
    usd = [line.usd for line in lines]
    return {
        "calls": sum(line.calls for line in lines),
        "input_tokens": sum(line.input_tokens for line in lines),
        "output_tokens": sum(line.output_tokens for line in lines),
        "usd": None if any(one is None for one in usd) else sum(one or 0.0 for one in usd),
    }


def dollars(usd: float | None) -> str:
    """Return a price as people read it."""
    return "unknown" if usd is None else f"${usd:.4f}"


def show_plan(lines: Sequence[Planned]) -> None:
    """Print a plan as a table."""
    from quorumsql.cli.output import lined, page

    table = lined("stage", "who", "model", title="At most, before anything is spent")
    for name in ("calls", "input tokens", "output tokens", "cost"):
        table.add_column(name, justify="right")
    for line in lines:
        numbers = (f"{line.calls}", f"{line.input_tokens:,}", f"{line.output_tokens:,}")
        table.add_row(line.stage, line.generator, line.model, *numbers, dollars(line.usd))
    whole = total(lines)
    table.add_section()
    sums = [f"{whole[key]:,}" for key in ("calls", "input_tokens", "output_tokens")]
    table.add_row("all", "", "", *sums, dollars(whole["usd"]))
    with page() as console:
        console.print(table)
