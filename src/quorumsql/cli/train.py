"""`quorum train`: make the models that the package ships.

What is not covered: the training itself; see `train.embedded`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["register"]

Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Folder in Spider's format; QUORUM_DATA/spider by default."
    ),
]
Share = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Each pass reads this share of the questions.", min=0.01, max=1.0
    ),
]
Fold = Annotated[
    int | None,
    typer.Option(metavar="N", help="Learn from half 0 or 1 of the databases only.", min=0, max=1),
]
Start = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Start from these, not from MiniLM: shipped, a folder, a members.pt. They learn "
        "at half the rates.",
    ),
]
Blend = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="How far to move from --weights (0) to the newly trained weights (1).",
        min=0.0,
        max=1.0,
    ),
]
Fit = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="The run that votes and reading are weighed on; no lesson is about it.",
    ),
]
Members = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder of members' weights: the reader starts from them, and they are calibrated "
        "with it. Without, it starts from those of the package.",
    ),
]
Own = Annotated[
    int,
    typer.Option(
        metavar="N", help="Learn from N of our own questions about each database, too.", min=0
    ),
]
ReaderStart = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Go on from this reader, at half the rates: shipped, a graph, or the reader.pt of "
        "an earlier training.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands `train …` to the program."""
    group = typer.Typer(help="Train the models that the package ships.", no_args_is_help=True)
    group.command("embedded")(embedded)
    group.command("selector")(selector)
    app.add_typer(group, name="train")


def embedded(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for checkpoints, log and weights.")
    ],
    data: Data = None,
    passes: Annotated[
        int | None, typer.Option(metavar="N", help="Passes over the questions.", min=1)
    ] = None,
    synthetic: Annotated[
        int | None,
        typer.Option(metavar="N", help="Synthetic questions beside the real ones.", min=0),
    ] = None,
    share: Share = None,
    fold: Fold = None,
    form: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Train this member only: columns, tables or plan."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Another order, and other synthetic questions.")
    ] = None,
    accelerator: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    weights: Start = None,
    blend: Blend = None,
    invented: Annotated[
        bool, typer.Option(help="Learn from the package's invented databases, too.")
    ] = True,
    measure: Annotated[bool, typer.Option(help="Measure on the databases held out.")] = True,
) -> None:
    """Train the embedded members, export them, and measure them on databases held out.

    Runs again where it was interrupted. The result is a folder OUT/weights as the package
    carries it. With torchrun --nproc-per-node N -m quorumsql train embedded …, N processes train it
    together, each on a GPU of its own if there are any.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from quorumsql.config import load_settings
    from quorumsql.errors import UsageError

    folder = data or _default_data(load_settings().data)
    if folder is None or not folder.is_dir():
        raise UsageError("No training data: give --data DIR, a folder in Spider's format.")
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        chosen: dict[str, Any] = {
            "passes": passes, "synthetic": synthetic, "share": share, "fold": fold,
            "seed": seed, "blend": blend, "invented": invented, "again": weights is not None,
        }  # fmt: skip
        if form:
            chosen["forms"] = form
        leads = _run(folder, out, chosen, accelerator, weights, measure, progress)
    if leads:
        typer.echo(f"{out / 'weights'}: ready to ship", err=True)


def selector(
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder for lessons, checkpoint, log and weights."),
    ],
    data: Data = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN", help="A run of quorum eval by members that had not seen its databases."
        ),
    ] = None,
    fit: Fit = None,
    members: Members = None,
    reader: ReaderStart = None,
    own: Own = 0,
    invented: Annotated[
        bool, typer.Option(help="Learn from the package's invented databases, too.")
    ] = True,
    passes: Annotated[
        int | None, typer.Option(metavar="N", help="Passes over the lessons.", min=1)
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            metavar="0–1", help="Share of lessons a pass reads beside the runs'.", min=0.01, max=1.0
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(metavar="N", help="Candidates of a question that are read at once.", min=2),
    ] = None,
    frozen_layers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="The reader's first layers that stay as they are.", min=0, max=5
        ),
    ] = None,
    loss: Annotated[
        str | None, typer.Option(metavar="NAME", help="plain, samples (the default) or ensemble.")
    ] = None,
) -> None:
    """Train the reader that chooses among candidates, and weigh it against their votes.

    Runs again where it was interrupted. The result is a folder OUT/weights, whose files the
    package carries beside the members'.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from quorumsql.config import load_settings
    from quorumsql.errors import UsageError

    folder = data or _default_data(load_settings().data)
    if folder is None or not folder.is_dir():
        raise UsageError("No training data: give --data DIR, a folder in Spider's format.")
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        chosen = {"passes": passes, "share": share, "candidates": candidates,
                  "frozen_layers": frozen_layers, "loss": loss}  # fmt: skip
        weights = _select(
            folder, out, tuple(run or ()), fit, members, reader, own, invented, chosen, progress
        )
        if members and fit:
            from quorumsql.train.start_selector import measure_selector

            bar = progress.add_task("measuring", total=None)
            measure_selector(weights, members, folder, out, watch=lambda _: progress.advance(bar))
    typer.echo(f"{out / 'weights'}: ready to ship", err=True)


def _select(
    data: Path,
    out: Path,
    runs: tuple[Path, ...],
    fit: Path | None,
    members: Path | None,
    reader: Path | None,
    own: int,
    invented: bool,
    chosen: dict[str, Any],
    progress: Progress,
) -> Path:
    from quorumsql.errors import MissingExtra, UsageError

    try:
        from quorumsql.train.invented import DATABASES
        from quorumsql.train.losses import LOSSES
        from quorumsql.train.selector import ReaderPlan
        from quorumsql.train.start_selector import databases_of, fit_selector, train_selector
    except ImportError as error:
        raise MissingExtra("Training", "train") from error
    bar = progress.add_task("lessons", total=None)

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            words = f"training loss {event['loss']:.2f}"
            progress.update(bar, completed=event["step"], total=event["of"], description=words)
        elif event["event"] == "lesson":
            progress.advance(bar)

    plan = ReaderPlan(**{name: value for name, value in chosen.items() if value is not None})
    if plan.loss not in LOSSES:
        raise UsageError(f"No loss '{plan.loss}': choose one of {', '.join(LOSSES)}.")
    plan = replace(plan, rate=plan.rate / 2, new_rate=plan.new_rate / 2) if reader else plan
    apart = databases_of(fit) if fit else frozenset()
    weights = train_selector(
        data, out,
        runs=runs, apart=apart, members=members, reader=reader, own=own,
        databases=DATABASES if invented else None, plan=plan, report=report,
    )  # fmt: skip
    if fit:
        fit_selector(weights, fit, data)
    return weights


def _default_data(data: Path | None) -> Path | None:
    return data / "spider" if data else None


def _run(
    data: Path,
    out: Path,
    chosen: dict[str, Any],
    accelerator: str,
    weights: Path | None,
    measured: bool,
    progress: Progress,
) -> bool:
    """Train, and measure if wanted; whether this process is the one that wrote the weights."""
    from quorumsql.errors import MissingExtra

    try:
        from quorumsql.train import start
    except ImportError as error:
        raise MissingExtra("Training", "train") from error
    bar = progress.add_task("training", total=None)

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            words = " ".join(f"{k} {v:.2f}" for k, v in event.items() if isinstance(v, float))
            progress.update(bar, completed=event["step"], total=event["of"], description=words)

    trained = start.train_embedded(
        data, out, start.planned(**chosen), accelerator=accelerator, weights=weights, report=report
    )
    if trained is None:  # another process of torchrun goes on
        return False
    if measured:
        second = progress.add_task("measuring", total=None)
        start.measure_embedded(trained, data, out, watch=lambda _: progress.advance(second))
    return True
