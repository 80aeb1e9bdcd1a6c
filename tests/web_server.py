"""`quorum serve` as a real process, with scripted generators, two shops and a slow database.

Every question is answered with the population of each city; the database `slow` has no city but a
view that takes longer than a statement may, so that a question there is slow.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from command import command

SCRIPT = {
    "one": ["SELECT name, population FROM city ORDER BY id"],
    "two": ["SELECT name, population FROM city ORDER BY id"],
    "three": ["SELECT name, population FROM city WHERE country <> 'Japan' ORDER BY id"],
    "four": ["SELECT COUNT(*) FROM forever"],
}
FOREVER = (
    "CREATE VIEW forever AS WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT i FROM n"
)
TOKENS = {name: f"quorum_test_{name}" for name in ("ana", "ben", "cleo", "old")}


@dataclass
class Served:
    """A running server; `process` is the server itself."""

    url: str
    process: subprocess.Popen[str]
    folder: Path
    log: Path
    clients: list[httpx2.Client] = field(default_factory=list)

    def client(self, token: str | None = None, **headers: str) -> httpx2.Client:
        """A client that shows this token."""
        if token:
            headers["Authorization"] = f"Bearer {TOKENS.get(token, token)}"
        made = httpx2.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)
        self.clients.append(made)
        return made


def build_databases(folder: Path, shop: bytes) -> list[str]:
    """Write the databases; return their paths."""
    for name in ("shop", "other"):
        (folder / f"{name}.sqlite").write_bytes(shop)
    with closing(sqlite3.connect(folder / "other.sqlite")) as connection:
        connection.execute("CREATE TABLE secret_plan (codeword TEXT)")
        connection.execute("INSERT INTO secret_plan VALUES ('nightingale')")
        connection.commit()
    with closing(sqlite3.connect(folder / "slow.sqlite")) as connection:
        connection.execute("CREATE TABLE dull (i INTEGER)")
        connection.execute(FOREVER)
        connection.commit()
    return [str(folder / f"{name}.sqlite") for name in ("shop", "other", "slow")]


def tokens_toml() -> str:
    """Ana opens all, Ben only shop, Cleo shop without e-mail addresses; the old one has expired."""
    lines = ["[limits]", "seconds = 8", "[web]", "per_minute = 100000", "bytes = 100000"]
    more = {"ben": ['databases = ["shop"]'], "cleo": ['databases = ["shop"]']}
    more["old"] = ["expires = 2020-01-01"]
    for name, token in TOKENS.items():
        digest = hashlib.sha256(token.encode()).hexdigest()
        lines += [f"[web.tokens.{name}]", f'sha256 = "{digest}"', *more.get(name, ())]
    lines += ["[web.tokens.cleo.permissions.deny]", 'columns = ["customer.email"]']
    return "\n".join(lines) + "\n"


@contextmanager
def served(
    folder: Path,
    databases: list[str],
    *,
    config: str = "",
    script: Mapping[str, list[str]] | None = SCRIPT,
    port: int = 0,
) -> Iterator[Served]:
    """Serve databases until the block ends."""
    (folder / "quorum.toml").write_text(config, encoding="utf-8")
    log = folder / "server.log"
    env = {k: v for k, v in os.environ.items() if not k.startswith("QUORUM_")}
    env |= {"QUORUM_HOME": str(folder / "home"), "QUORUM_CONFIG": str(folder / "quorum.toml")}
    line = [*command(script, folder), "serve", "--port", str(port)]
    line += [part for database in databases for part in ("--db", database)]
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(line, stderr=out, stdout=out, env=env, text=True, cwd=folder)
    with process:
        try:
            found = Served(_address(log, process), process, folder, log)
            _wait(found)
            yield found
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        for client in found.clients:
            client.close()


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and fields of the events of a stream."""
    found = re.findall(r"^event: (\w+)\ndata: (.*)$", text, re.MULTILINE)
    return [(name, json.loads(fields)) for name, fields in found]


def _address(log: Path, process: subprocess.Popen[str]) -> str:
    for _ in range(1200):
        match = re.search(r"^(http://\S+)/$", log.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return match[1]
        assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.05)
    raise AssertionError("the server did not say where it is")


def _wait(server: Served) -> None:
    with server.client() as client:
        for _ in range(1200):
            assert server.process.poll() is None, server.log.read_text(encoding="utf-8")
            try:
                if client.get("/ready").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
    raise AssertionError("the server did not become ready")
