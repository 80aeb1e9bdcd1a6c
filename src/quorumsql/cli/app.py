"""The typer application: every command of `quorum`, registered in one place.

What is not covered: what the commands do, and how errors become exit codes (`cli.main`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from quorumsql.cli import (
    ablate,
    adapt,
    ask,
    batch,
    chat,
    choose,
    compare,
    demo,
    describe,
    doctor,
    evaluate,
    examples,
    index,
    mcp,
    profile,
    schema,
    score,
    serve,
    sql,
    trace,
    train,
    tune,
    values,
    verdict,
)

__all__ = ["build_app"]


def build_app() -> typer.Typer:
    """Return the application with all commands, in the order that help lists them."""
    app = typer.Typer(
        name="quorum",
        help="Ask a database a question in plain words; several generators vote on the answer.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for command in (
        *(
            demo,
            ask,
            chat,
            verdict,
            schema,
            index,
            values,
            profile,
            describe,
            examples,
            sql,
            trace,
            serve,
            doctor,
            mcp,
            evaluate,
            compare,
            batch,
            score,
            choose,
            ablate,
            train,
            adapt,
            tune,
        ),
    ):
        command.register(app)
    return app


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks of errors; goes first.")
    ] = False,
) -> None:
    """Options of every command; `debug` is read by `cli.main`, which sees errors last."""
    del version, debug


def _version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        from quorumsql import __version__

        typer.echo(f"quorum {__version__}")
        raise typer.Exit
