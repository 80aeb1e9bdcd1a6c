"""`quorum mcp`: the database as tools for agents.

What is not covered: tokens; over HTTP the server listens on this machine only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from quorumsql.errors import MissingExtra, UsageError
from quorumsql.urls import is_loopback

__all__ = ["register"]

Client = Literal["claude", "cursor", "vscode"]
Transport = Literal["stdio", "http"]


def register(app: typer.Typer) -> None:
    """Add the command `mcp` to the program."""
    app.command("mcp")(mcp)


def mcp(
    db: Annotated[
        str, typer.Option(metavar="URL", help="The database: a URL or the path of a file.")
    ],
    transport: Annotated[Transport, typer.Option(help="How clients reach the server.")] = "stdio",
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address for http; of this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=1, max=65_535, help="Port for http, path /mcp.")
    ] = 8421,
    print_config: Annotated[
        Client | None, typer.Option(help="Print what goes into a client's configuration.")
    ] = None,
) -> None:
    """Serve a database to agents by the Model Context Protocol.

    Over stdio the client starts this command itself; --print-config shows how. The URL is
    printed as given: keep passwords out of it, in the settings of the database's own client.
    """
    try:
        from quorumsql.mcp_server import build_server, client_config
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "anyio"}:
            raise
        raise MissingExtra("quorum mcp", "mcp") from error
    from quorumsql.api import connect
    from quorumsql.cli.settings import settings_of

    if transport == "http" and not is_loopback(host):
        raise UsageError(f"{host} can be reached by others: quorum mcp listens on 127.0.0.1 only.")
    with connect(db, settings=settings_of()) as connection:
        if print_config is not None:
            place = str(Path(db).resolve()) if "://" not in db else db
            command = [sys.executable, "-m", "quorumsql", "mcp", "--db", place]
            name = f"quorum-{connection.name}"
            typer.echo(client_config(print_config, command=command, name=name))
            return
        server = build_server(connection)
        if transport == "http":
            typer.echo(f"http://{host}:{port}/mcp", err=True)
            server.run("streamable-http", host=host, port=port)
        else:
            server.run("stdio")
