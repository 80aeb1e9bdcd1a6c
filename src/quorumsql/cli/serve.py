"""`quorum serve`: a page and a REST interface for one or more databases.

What is not covered: TLS; put a proxy in front where others can reach the server.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from quorumsql.cli.ask import Config, Model
from quorumsql.errors import MissingExtra, UsageError
from quorumsql.urls import is_loopback

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `serve` to the program."""
    app.command("serve")(serve)


def serve(
    db: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A database: a URL or a path. May be repeated."),
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65_535, help="Port.")] = 8420,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address; one that others reach needs tokens.")
    ] = "127.0.0.1",
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve the sample company of quorum demo.")
    ] = False,
    new_token: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a token and say what to configure.")
    ] = None,
    model: Model = None,
    config: Config = None,
) -> None:
    """Serve databases to browsers and programs: a page at /, REST below /v1.

    On this machine's own address it is open as long as no token is configured.
    """
    if new_token is not None:
        _print_token(new_token)
        return
    if not db and not demo:
        raise UsageError("Say which database to serve: --db URL, once or more, or --demo.")
    from quorumsql.cli.settings import settings_of
    from quorumsql.tokens import both

    settings = settings_of(model=model, config=config)
    if not settings.web.tokens and not is_loopback(host):
        raise UsageError(
            f"{host} can be reached by others, and no token is configured: "
            "run quorum serve --new-token NAME first."
        )
    try:
        from quorumsql.web.serve import serve as listen
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"fastapi", "starlette", "uvicorn"}:
            raise
        raise MissingExtra("quorum serve", "web") from error
    urls = _named([*(db or ()), *([_sample(settings.home)] if demo else ())])
    for name, token in settings.web.tokens.items():
        if missing := set(token.databases) - set(urls):
            raise UsageError(f"web.tokens.{name} names a database not served: {min(missing)!r}.")
        both(settings.permissions, token.permissions)  # refuses what contradicts itself
    for url in urls.values():
        _check(url, settings)
    with _bound(host, port) as listener:
        place = listener.getsockname()[1]
        typer.echo(f"http://{'[' + host + ']' if ':' in host else host}:{place}/", err=True)
        listen(urls, settings, listener)


def _sample(home: Path) -> str:
    """The path of the sample company, made where it is not there yet.

    Raises:
        UsageError: it cannot be written.
    """
    from quorumsql.errors import DatabaseError
    from quorumsql.sample import build_sample

    path = home / "demo" / "company.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            build_sample(path)
    except (OSError, DatabaseError) as error:
        raise UsageError(f"The sample cannot be written to {path}: {error}.") from error
    return str(path)


def _check(url: str, settings: object) -> None:
    """Open and close a database: a wrong address is said at once, not at the first question."""
    from quorumsql.api import open_guarded
    from quorumsql.cli.reading import reading
    from quorumsql.config import Settings

    assert isinstance(settings, Settings)
    with reading() as tell:
        open_guarded(url, settings=settings, tell=tell).close()


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the port, or a free one for 0.

    Raises:
        UsageError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if os.name == "posix":  # a port that was given up a moment ago is free
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Take another --port."
        ) from error
    return listener


def _named(urls: Sequence[str]) -> dict[str, str]:
    """Databases by a short name: that of the file or database, numbered where it repeats."""
    found: dict[str, str] = {}
    for url in urls:
        path = urlsplit(url).path if "://" in url else url
        stem = Path(path).stem or "database"
        name, number = stem, 2
        while name in found:
            name, number = f"{stem}-{number}", number + 1
        found[name] = url
    return found


def _print_token(name: str) -> None:
    """Print a new token, and what goes into the configuration for it."""
    from quorumsql.tokens import Token, WebSettings, digest, new_token

    token = new_token()
    WebSettings(tokens={name: Token(sha256=digest(token))})  # refuses names that cannot be
    typer.echo(f"The token, shown only now: {token}", err=True)
    typer.echo("Put this into your configuration file:", err=True)
    typer.echo(f'[web.tokens.{name}]\nsha256 = "{digest(token)}"')
    typer.echo('# databases = ["NAME"]      # only these\n# expires = 2027-01-01')
    typer.echo("# review = true             # approves examples that others propose")
