"""Pages on engines and on providers are true: every command on them runs, against the real thing.

Engines are real servers with the account that the page names; a provider is a service on this
machine that speaks its interface. The reference is what the code says.
"""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import quorum
from fault_server import FaultServer, Reply
from test_docs import BLOCK, ROOT, squeezed, steps

ENGINES = sorted((ROOT / "docs" / "engines").glob("*.md"))
PROVIDERS = sorted((ROOT / "docs" / "providers").glob("*.md"))
ORDERS = (
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, status VARCHAR(20), placed DATE);"
    "INSERT INTO orders VALUES (1, 'open', '2024-01-01'), (2, 'open', '2024-02-01'),"
    "(3, 'shipped', '2024-02-02');"
)


def page_id(page: Path) -> str:
    return page.stem


def run(page: Path, folder: Path, *, place: str = "", env: dict[str, str] | None = None) -> None:
    """Run the commands of a page; `place` stands for the address that it shows."""
    for step in steps(page):
        line = re.sub(r"(postgresql|mariadb)://\S+", place, step.line) if place else step.line
        command, *words = shlex.split(line, comments=True)
        assert command == "quorum"
        finished = quorum(*words, cwd=folder, env=env)
        allowed = {0, 3} if words[0] == "ask" else {0, 1} if words[0] == "doctor" else {0}
        assert finished.returncode in allowed, (step.line, finished)
        for text in step.shown:
            assert squeezed(text) in squeezed(finished.stdout), (step.line, finished.stdout)


@pytest.mark.parametrize("page", ENGINES, ids=page_id)
def test_commands_of_an_engine_run(
    page: Path, sample_folder: Path, request: pytest.FixtureRequest
) -> None:
    import servers

    place = ""
    if page.stem == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        place = servers.make_postgresql(server, "company", ORDERS)
    if page.stem == "mariadb":
        server = request.getfixturevalue("mariadb_server")
        place = servers.make_mariadb(server, "company", ORDERS)
    run(page, sample_folder, place=place)


@pytest.fixture
def service() -> Iterator[FaultServer]:
    reply = "```sql\nSELECT COUNT(*) FROM orders\n```"
    with FaultServer(lambda *_: Reply(texts=(reply,))) as running:
        yield running


@pytest.mark.parametrize("page", PROVIDERS, ids=page_id)
def test_commands_with_a_provider_run(
    page: Path, sample_folder: Path, service: FaultServer
) -> None:
    shown = page.read_text(encoding="utf-8")
    assert re.search(r"^export OPENAI_(BASE_URL=http|API_KEY=sk-)", shown, re.MULTILINE)
    run(page, sample_folder, env={"OPENAI_BASE_URL": service.url, "OPENAI_API_KEY": "sk-test"})


@pytest.mark.parametrize("page", [*ENGINES, *PROVIDERS], ids=page_id)
def test_pages_are_in_order(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"
    assert {name for name, _ in BLOCK.findall(text)} <= {"console", "text"}
    parent = "models.md" if page in PROVIDERS else "engines.md"
    assert f"{page.parent.name}/{page.name}" in (ROOT / "docs" / parent).read_text("utf-8")


def test_the_reference_is_fresh() -> None:
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    fresh = runpy.run_path(str(ROOT / "docs" / "generate_reference.py"))["page"]()
    assert written == fresh, "docs/reference.md is stale: run python docs/generate_reference.py"
