"""What README and docs say is true: their code runs, their links lead somewhere, cli.md is fresh.

Run are all ```python blocks of a page, in order and in one namespace, and all lines of ```console
blocks that start with `$ quorum`; lines below such a line must stand in its output, whatever the
spaces between words. `# exit N` names the exit code where it is not 0 (3 is always allowed to
`ask`, which may abstain). ```text and indented blocks are only shown.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from command import quorum

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """A command line of a page and the output that the page shows."""

    line: str
    shown: tuple[str, ...]


def page_id(page: Path) -> str:
    return page.name


def blocks(page: Path, language: str) -> list[str]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [body for name, body in found if name == language]


def steps(page: Path) -> Iterator[Step]:
    for body in blocks(page, "console"):
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, *shown = part.rstrip("\n").split("\n")
            yield Step(line, tuple(text for text in shown if text.strip() not in ("", "…")))


def squeezed(text: str) -> str:
    return " ".join(re.sub("[│┃|]", " ", text).split())


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")], ids=page_id)
def test_console_blocks_run(page: Path, sample_folder: Path) -> None:
    for step in steps(page):
        command, *words = shlex.split(step.line, comments=True)
        assert command == "quorum", f"{page.name}: {step.line} is not ours to run"
        finished = quorum(*words, cwd=sample_folder)
        wanted = re.search(r"# exit (\d+)$", step.line)
        allowed = {int(wanted[1])} if wanted else {0, 3} if words[0] == "ask" else {0}
        assert finished.returncode in allowed, (step.line, finished)
        for text in step.shown:
            assert squeezed(text) in squeezed(finished.stdout), (step.line, text)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=page_id)
def test_python_blocks_run(page: Path, sample_folder: Path) -> None:
    code = blocks(page, "python")
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(code)],
        cwd=sample_folder,
        capture_output=True,
        encoding="utf-8",
        env=dict(os.environ),
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    for link in links:
        assert "://" in link or (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_are_of_a_kind_that_is_checked(page: Path) -> None:
    fences = re.findall(r"^```(\S*)$", page.read_text(encoding="utf-8"), re.MULTILINE)[::2]
    assert set(fences) <= {"python", "console", "text"}


def test_every_option_says_what_kind_of_value_it_takes() -> None:
    """`--gold FILE`, not `--gold GOLD`: a name that only repeats the option tells nothing."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    options = re.findall(r"^- `--([a-z-]+) ([A-Z_]+)`", page, re.MULTILINE)
    assert len(options) > 60
    plain = {"host", "sql", "format", "share", "run", "metric"}  # they are what they say
    repeated = {name for name, value in options if value == name.upper().replace("-", "_")}
    assert repeated <= plain, repeated - plain


def test_cli_page_is_fresh() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    fresh = runpy.run_path(str(ROOT / "docs" / "generate_cli.py"))["page"]()
    assert written == fresh, "docs/cli.md is stale: run python docs/generate_cli.py"


def test_every_command_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(
        r"^## quorum (\w+)$", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE
    )
    assert len(commands) >= 5
    for command in commands:
        assert f"`quorum {command}" in readme, f"README does not mention quorum {command}"


def test_sizes_in_the_readme_are_those_of_the_sample(sample_folder: Path) -> None:
    words = re.search(r"\((\d+) tables, ([\d,]+) rows\)", PAGES[0].read_text(encoding="utf-8"))
    with closing(sqlite3.connect(sample_folder / "company.sqlite")) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        sizes = [connection.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for (n,) in names]
    assert words is not None
    assert words.groups() == (str(len(sizes)), f"{sum(sizes):,}")
