"""The options that every benchmark of `quorum eval` has, listed once.

What is not covered: what they do (`cli.evaluate_run`), and options of one benchmark alone
(`cli.evaluate`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

__all__ = ["Options", "with_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all benchmarks can be told."""

    questions: Annotated[Path, typer.Option(metavar="FILE", help="The file of questions.")]
    out: Annotated[
        Path, typer.Option(metavar="RUN", help="The run's folder; an unfinished run continues.")
    ]
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Only the first so many questions.", min=1)
    ] = None
    workers: Annotated[
        int, typer.Option(metavar="N", help="How many questions to answer at a time.", min=1)
    ] = 1
    executor: Annotated[
        Literal["processes", "ray"], typer.Option(help="Where: on this machine, or on Ray.")
    ] = "processes"
    generators: Annotated[
        str | None, typer.Option(metavar="A,B", help="Names of generators, separated by commas.")
    ] = None
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The language model to answer with.")
    ] = None
    effort: Annotated[
        Literal["low", "medium", "high"] | None,
        typer.Option(help="How much work an answer may take."),
    ] = None
    slices: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            metavar="FILTER",
            help="Report accuracy of a part, e.g. 'joins > 1 and subquery = 0'.",
        ),
    ] = None
    compare: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Folder of a run to compare with.")
    ] = None
    save_baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what is right to this file.")
    ] = None
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Exit with 1 when something of this file is no longer right."
        ),
    ] = None
    allow_lost: Annotated[
        int, typer.Option(metavar="N", help="So many questions of the baseline may be lost.", min=0)
    ] = 0
    fail_under: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Exit with 1 when accuracy is below this share.", min=0.0, max=1.0
        ),
    ] = None
    gold_as_prediction: Annotated[
        bool, typer.Option("--gold-as-prediction", help="Score the gold queries: the ceiling.")
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command whose parameter `options` holds all `Options` be given them one by one.

    Typer sees those that must be given, then the command's own, then the rest.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [
        one.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name])
        for name, one in signature(command).parameters.items()
        if name != "options"
    ]
    shared = get_type_hints(Options, include_extras=True)
    common = [
        Parameter(
            one.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if one.default is MISSING else one.default,
            annotation=shared[one.name],
        )
        for one in fields(Options)
    ]
    needed = [one for one in common if one.default is Parameter.empty]

    @wraps(command)
    def called(**given: Any) -> None:
        taken = {one.name: given.pop(one.name) for one in own}
        command(**taken, options=Options(**given))

    called.__signature__ = Signature([*needed, *own, *common[len(needed) :]])  # type: ignore[attr-defined]
    return called
