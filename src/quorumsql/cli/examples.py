"""`quorum examples`: solved questions that the in-context generator learns from.

What is not covered: asking; `quorum ask --generators icl` shows the nearest of them to a model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorumsql.errors import UsageError

if TYPE_CHECKING:
    from quorumsql.api import Connection
    from quorumsql.prompts.write import Shot
    from quorumsql.stores.examples import Example, ExampleStore

__all__ = ["register"]

Store = Annotated[
    Path | None, typer.Option(metavar="FILE", help="This store instead of the user's own.")
]
Database = Annotated[
    str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands of `examples` to the program."""
    group = typer.Typer(
        help="Keep solved questions: to be answered so again, and to learn from.",
        no_args_is_help=True,
    )
    group.command("add")(add)
    group.command("import")(import_file)
    group.command("list")(list_all)
    group.command("approve")(approve)
    group.command("remove")(remove)
    app.add_typer(group, name="examples")


def add(
    question: Annotated[str, typer.Argument(help="The question.")],
    statement: Annotated[str, typer.Argument(help="The SQL that answers it.")],
    db: Database,
    evidence: Annotated[
        str, typer.Option(metavar="TEXT", help="What one must know to understand the question.")
    ] = "",
    store: Store = None,
) -> None:
    """Add one solved question; its SQL must run. It is approved at once."""
    from quorumsql.api import connect
    from quorumsql.cli.settings import settings_of

    with connect(db, settings=settings_of()) as database:
        shot = _checked(database, question, statement, evidence)
        home = _home(db)
        new = _store(store).add([shot], database=database.name, approved=True, home=home)
    for example in new:
        typer.echo(example.id)
    if not new:
        typer.echo("quorum: this example is kept already", err=True)


def import_file(
    file: Annotated[
        Path, typer.Argument(help="JSON list or JSON lines with question and sql (or query, SQL).")
    ],
    db: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The database of all, where the file names none."),
    ] = None,
    db_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder with NAME/NAME.sqlite for each db_id."),
    ] = None,
    approved: Annotated[
        bool, typer.Option("--approved", help="Approve all of them at once.")
    ] = False,
    store: Store = None,
) -> None:
    """Add the solved questions of a file, to be approved later.

    A shared store is read as it is. From other files only what runs is taken.
    """
    records = list(_records(file))
    if records and all("skeleton" in record for record in records):
        taken, left = _adopted(records, _store(store), approved=approved), 0
    else:
        taken, left = _solved(records, _store(store), db=db, db_dir=db_dir, approved=approved)
    typer.echo(f"{taken} new examples, {left} left out because their SQL does not run", err=True)


def list_all(store: Store = None, as_json: Json = False) -> None:
    """List what is kept."""
    examples = _store(store).all()
    if as_json:
        sys.stdout.write(json.dumps([_object(one) for one in examples], ensure_ascii=False) + "\n")
        return
    from rich.text import Text

    from quorumsql.cli.output import lined, page, printable

    table = lined("id", "database", "approved", "question", "skeleton")
    for one in examples:
        mark = "yes" if one.approved else "no"
        texts = (one.id, one.database, mark, one.shot.question, one.shot.skeleton)
        table.add_row(*(Text(printable(text)) for text in texts))
    with page() as console:
        console.print(table)


def approve(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids, or how they begin.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Approve all of them.")] = False,
    store: Store = None,
) -> None:
    """Approve examples: only approved ones are shown to models."""
    kept = _store(store)
    names = [one.id for one in kept.all() if not one.approved] if everything else ids or []
    if not names and not everything:
        raise UsageError("Say which examples: their ids, or --all.")
    typer.echo(f"{kept.approve(names)} approved", err=True)


def remove(
    ids: Annotated[list[str], typer.Argument(help="Ids, or how they begin.")], store: Store = None
) -> None:
    """Remove examples."""
    typer.echo(f"{_store(store).remove(ids)} removed", err=True)


def _store(path: Path | None) -> ExampleStore:
    from quorumsql.cli.settings import settings_of
    from quorumsql.solved import examples_path
    from quorumsql.stores.examples import ExampleStore

    return ExampleStore(path or examples_path(settings_of()))


def _home(url: str) -> str:
    """What tells this database from others of its name."""
    from quorumsql.cli.settings import settings_of
    from quorumsql.config import database_home

    return database_home(settings_of(), url).name


def _checked(database: Connection, question: str, sql: str, evidence: str = "") -> Shot:
    """The example, when its statement runs.

    Raises:
        UsageError: it does not.
    """
    from quorumsql.domain import Failure
    from quorumsql.stages.shots import shot_of

    execution = database.sql(sql)
    if isinstance(execution, Failure):
        raise UsageError(f"The SQL does not run: {execution.message}")
    hits = database.mentions(question)
    return shot_of(question, sql, database.schema, hits, evidence=evidence)


def _records(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
        whole = json.loads(text) if text.lstrip().startswith("[") else None
        found = whole if whole is not None else [json.loads(x) for x in text.split("\n") if x]
    except FileNotFoundError as error:
        raise UsageError(f"{file}: the file does not exist.") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{file}: cannot be read as JSON: {error}.") from error
    for record in found:
        if isinstance(record, dict) and "question" in record:
            yield record


def _adopted(records: list[dict[str, Any]], store: ExampleStore, *, approved: bool) -> int:
    """Take over the examples of another store."""
    from dataclasses import fields

    from quorumsql.prompts.write import Shot

    known = {field.name for field in fields(Shot)}
    return sum(
        len(
            store.add(
                [Shot(**{key: value for key, value in record.items() if key in known})],
                database=str(record.get("database", "")),
                approved=approved,
            )
        )
        for record in records
    )


def _solved(
    records: list[dict[str, Any]],
    store: ExampleStore,
    *,
    db: str | None,
    db_dir: Path | None,
    approved: bool,
) -> tuple[int, int]:
    """Take the examples whose statements run; return how many, and how many were left out."""
    from rich.progress import track

    by_place: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        name = record.get("db_id")
        place = str(db_dir / name / f"{name}.sqlite") if db_dir and name else db
        if place is None:
            raise UsageError("Say where the questions belong: --db URL, or --db-dir FOLDER.")
        by_place.setdefault(place, []).append(record)
    taken = left = 0
    for place, own in track(by_place.items(), "importing", disable=len(by_place) < 2):
        new, lost = _solved_here(place, own, store, approved=approved)
        taken, left = taken + new, left + lost
    return taken, left


def _solved_here(
    place: str, records: list[dict[str, Any]], store: ExampleStore, *, approved: bool
) -> tuple[int, int]:
    from quorumsql.api import connect
    from quorumsql.cli.settings import settings_of

    shots: list[Shot] = []
    with connect(place, settings=settings_of()) as database:
        for record in records:
            sql = str(record.get("sql") or record.get("query") or record.get("SQL") or "")
            try:
                evidence = str(record.get("evidence") or "")
                shots.append(_checked(database, str(record["question"]), sql, evidence))
            except UsageError:
                continue
        new = store.add(shots, database=database.name, approved=approved, home=_home(place))
    return len(new), len(records) - len(shots)


def _object(example: Example) -> dict[str, Any]:
    from dataclasses import asdict

    shot = asdict(example.shot)
    kept = {"id": example.id, "database": example.database, "approved": example.approved}
    return {**kept, **shot}
