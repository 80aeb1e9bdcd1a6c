"""`quorum tune`: compose an ensemble from what generators have answered already.

What is not covered: the search (`evals.tune`), and how pools are recorded (`evals.recorded`).
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorumsql.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from quorumsql.evals.rating import Rater
    from quorumsql.evals.recorded import Recorded
    from quorumsql.evals.tune import Composition, Front

__all__ = ["register"]

_SHOWN = 10

PoolFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Candidates, a JSON object per line.")
]
RunFolder = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="Instead of a pool: the folder of a run of quorum eval."),
]
GoldFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Right SQL by id; without, the consensus is the teacher."),
]
Calls = Annotated[
    float | None,
    typer.Option(metavar="N", help="Calls that a question may take on average.", min=1.0),
]
Within = Annotated[
    float,
    typer.Option(
        metavar="POINTS", help="Accuracy (points) you would give up for fewer calls.", min=0.0
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command `tune` to the program."""
    app.command("tune")(tune)


def tune(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for the front and the configuration.")
    ],
    pool: PoolFile = None,
    db_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder that holds NAME/NAME.sqlite, for a pool."),
    ] = None,
    run: RunFolder = None,
    gold: GoldFile = None,
    most: Annotated[
        int, typer.Option(metavar="N", help="Consider at most N members.", min=1, max=64)
    ] = 16,
    calls: Calls = None,
    within: Within = 0.5,
    latency: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='Milliseconds of a call: {"NAME": MS}.'),
    ] = None,
    for_db: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Instead: name members for this new database."),
    ] = None,
    members: Annotated[int, typer.Option(metavar="N", help="How many, for --for-db.", min=1)] = 3,
    cohesion: Annotated[
        float, typer.Option(metavar="X", help="What agreement among them is worth, for --for-db.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find which generators to ask, and how to choose, from one recorded pool; asks nobody."""
    from rich.console import Console

    console = Console(stderr=True)
    _folder(out)
    recorded = _recorded(pool, db_dir, run, gold, out, console)
    if for_db is not None:
        if db_dir is None:
            raise UsageError("--for-db compares schemas: give the recorded databases by --db-dir.")
        _for_database(recorded, for_db, db_dir, members, cohesion, as_json=as_json)
        return
    front, choice, rater = _searched(recorded, most, latency, calls, within, console)
    from quorumsql.evals.tune_write import write_all

    judged = recorded.right is not None
    names = write_all(out, front, choice, rater, about=str(pool or run), judged=judged)
    if as_json:
        sys.stdout.write((out / "front.json").read_text(encoding="utf-8"))
    else:
        _show(front, choice, judged=judged)
        typer.echo(f"{out}: {', '.join(names)}", err=True)
        if "quorum.toml" not in names:
            typer.echo(
                "No member is a generator of quorum, so there is no quorum.toml; to choose among "
                f"theirs: quorum choose --composition {shlex.quote(str(out / 'composition.json'))}",
                err=True,
            )


def _recorded(
    pool: Path | None,
    db_dir: Path | None,
    run: Path | None,
    gold: Path | None,
    out: Path,
    console: Console,
) -> Recorded:
    """What is known of the pool, from its candidates or from a run that scored them."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from quorumsql.evals.recorded import of_run, read_gold, record_pool

    if (pool is None) == (run is None):
        raise UsageError("Give either --pool FILE with --db-dir DIR, or --run DIR.")
    if run is not None:
        return of_run(run)
    if db_dir is None or pool is None:
        raise UsageError("A pool must be run: give the folder of its databases with --db-dir.")
    total, said = _lines(pool), list[str]()
    columns = (TextColumn("recording"), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task("recording", total=total)
        recorded, problems = record_pool(
            pool,
            databases=db_dir,
            out=out / "recorded.jsonl",
            gold=read_gold(gold) if gold is not None else None,
            watch=lambda: progress.advance(bar),
            tell=said.append,
        )
    for words in said:
        typer.echo(words, err=True)
    for number, words in problems[:_SHOWN]:
        typer.echo(f"{pool}:{number}: left out: {words}", err=True)
    if len(problems) > _SHOWN:
        typer.echo(f"… and {len(problems) - _SHOWN} more such lines", err=True)
    return recorded


def _searched(
    recorded: Recorded,
    most: int,
    latency: Path | None,
    calls: float | None,
    within: float,
    console: Console,
) -> tuple[Front, Composition, Rater]:
    """Search on half of the databases where right answers are known, else on all."""
    from quorumsql.evals.rating import Rater
    from quorumsql.evals.tune import Plan, chosen, halves, search

    plan = Plan(most=most, latency_ms=_milliseconds(latency) if latency is not None else {})
    apart = halves(recorded)
    seen = recorded if apart is None else recorded.only(apart)
    unseen = None if apart is None else Rater(recorded.only(~apart))
    rater = Rater(seen)
    with console.status("searching") as status:
        front = search(rater, plan, unseen=unseen, watch=status.update)
    return front, chosen(front, within=within / 100, calls=calls), rater


def _for_database(
    recorded: Recorded, url: str, db_dir: Path, count: int, cohesion: float, *, as_json: bool
) -> None:
    """Name members for a new database, and which recorded databases it is like."""
    from quorumsql.db import open_database
    from quorumsql.domain import Schema
    from quorumsql.evals.datasets import database_file
    from quorumsql.evals.rating import Rater
    from quorumsql.evals.tune_transfer import likeness, members_for

    def schema_at(address: str) -> Schema:
        database = open_database(address)
        try:
            return database.schema()
        finally:
            database.close()

    files = {name: database_file(db_dir, name) for name in sorted(set(recorded.db_ids))}
    schemas = {name: schema_at(str(path)) for name, path in files.items() if path is not None}
    alike = likeness(schemas, schema_at(url))
    named = members_for(Rater(recorded), alike, count, cohesion=cohesion)
    near = sorted(alike.items(), key=lambda item: (-item[1], item[0]))[:3]
    if as_json:
        like = {name: round(value, 4) for name, value in near}
        sys.stdout.write(json.dumps({"members": list(named), "like": like}) + "\n")
        return
    typer.echo(f"generators = {json.dumps(list(named))}")
    typer.echo("like " + ", ".join(f"{name} ({value:.0%})" for name, value in near), err=True)


def _show(front: Front, choice: Composition, *, judged: bool) -> None:
    from quorumsql.cli.output import lined, page, printable
    from quorumsql.evals.figures import percent

    best = len(front.compositions)
    beaten = "this one" if best == 1 else f"these {best}"
    table = lined(title=f"{front.rated:,} combinations rated; none beats {beaten}")
    table.add_column("accuracy" if judged else "consensus", justify="right")
    table.add_column("held out", justify="right")
    table.add_column("calls", justify="right")
    table.add_column("latency", justify="right")
    table.add_column("chosen by")
    table.add_column("members")
    for one in front.compositions:
        risk = "" if one.risk is None else f" {one.risk:g}"
        table.add_row(
            percent(one.accuracy),
            percent(one.held_out),
            f"{one.calls:.1f}",
            f"{one.latency:.1f}",
            one.selector + risk,
            ("▸ " if one == choice else "") + printable(", ".join(one.members)),
        )
    with page() as console:  # names of a pool are text of others: no markup, no control characters
        console.print(table)


def _milliseconds(path: Path) -> Mapping[str, float]:
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        found = {str(name): float(value) for name, value in record.items()}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f'{path}: expected {{"NAME": MILLISECONDS}}: {error}.') from error
    if any(value <= 0 for value in found.values()):
        raise UsageError(f"{path}: milliseconds must be greater than 0.")
    return found


def _lines(pool: Path) -> int:
    try:
        with pool.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError as error:
        raise UsageError(f"{pool}: cannot be read: {error.strerror}.") from error


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot be made: {error.strerror}.") from error
