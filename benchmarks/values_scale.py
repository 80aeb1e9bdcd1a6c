"""Building and asking the index of values at a size: time, memory, latency; beside datasketch.

    python benchmarks/values_scale.py --values 1000000 [--datasketch 100000]

Makes a database of so many distinct names (people, streets, firms; 1 to 4 words each) in a
temporary folder. That, the survey and the look-ups each run in a process of their own; the peak
resident memory of the last two is measured. Questions name a stored value, half of them with one
typing error: a letter (or space) left out, added, replaced, or swapped with the next, in turn. A
value counts as found when it is among the first ten hits of the whole question.

With `--datasketch N`, the package's `MinHashLSH` takes N of the values as CHESS does it
(`values_datasketch.py`); its time and memory grow with each value alike and are given for all.

What is not covered: a cold disk; the files have just been written.
"""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from quorumsql.db import open_database
from quorumsql.evals.metrics import percentile
from quorumsql.survey import open_index, survey

__all__ = ["KINDS", "TABLES", "Asked", "asked_of", "peak_megabytes", "shares"]

TABLES: Final = 4
KINDS: Final = ("left out", "added", "replaced", "swapped")
QUESTIONS: Final = 800


@dataclass(frozen=True)
class Asked:
    """A question, the value it names, the words it uses, and what is wrong with them."""

    question: str
    value: str
    words: str
    kind: str


def main(
    values: Annotated[int, typer.Option(help="How many distinct values.")] = 1_000_000,
    datasketch: Annotated[int, typer.Option(help="Build datasketch's index of so many.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Keep the files here.")] = None,
) -> None:
    """Print Markdown tables."""
    with tempfile.TemporaryDirectory() as name:
        place = folder or Path(name)
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "names.sqlite").exists():
            _run("make", place, values)
        built, asked = _run("build", place), _run("ask", place)
        other = _run("datasketch", place, datasketch) if datasketch else {}
        print(f"| {values:,} values | quorumsql | datasketch |\n|---|---|---|")
        for label, key in (
            ("build, s", "seconds"),
            ("processor time to build, s", "processor"),
            ("peak memory to build, MB", "megabytes"),
            ("on disk, MB", "disk"),
            ("memory to serve beyond a process that has read the schema, MB", "serving"),
            ("look-up p50, ms", "p50"),
            ("look-up p95, ms", "p95"),
            *((f"found, {kind}, %", kind) for kind in ("as written", "one typing error", *KINDS)),
        ):
            print(f"| {label} | {(built | asked).get(key, '–')} | {other.get(key, '–')} |")
        if other:
            print(f"\ndatasketch: {other['note']}.")


def _run(step: str, folder: Path, number: int = 0) -> dict[str, Any]:
    file = "values_datasketch.py" if step == "datasketch" else "values_scale.py"
    script = Path(__file__).with_name(file)
    command = [sys.executable, str(script), "--step", step, str(folder), str(number)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _make(folder: Path) -> dict[str, Any]:
    """Write so many distinct names into a few tables."""
    count = int(sys.argv[4])
    names = _names(count)
    with closing(sqlite3.connect(folder / "names.sqlite")) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        for number in range(TABLES):
            connection.execute(f"CREATE TABLE party_{number} (id INTEGER PRIMARY KEY, name TEXT)")
            share = count // TABLES if number else count - count // TABLES * (TABLES - 1)
            rows = ((next(names),) for _ in range(share))
            connection.executemany(f"INSERT INTO party_{number} (name) VALUES (?)", rows)
        connection.commit()
    return {"values": count}


def _names(count: int) -> Iterator[str]:
    """Distinct names: words of syllables, the commoner the shorter, as in real registers."""
    chance = random.Random(11)
    parts = [a + b for a in "b c d f g h k l m n p r s t v w br st tr ch".split() for b in
             "a e i o u an en in on ar er or el il al as is ou ai ea".split()]  # fmt: skip
    words = [
        "".join(chance.choices(parts, k=chance.choice((2, 2, 3, 3, 4)))) for _ in range(200_000)
    ]
    kinds = ("Street", "Road", "Ltd", "and Sons", "Trading", "Institute", "Hotel", "Museum")
    seen: set[int] = set()
    while len(seen) < count:
        size = chance.choice((1, 2, 2, 2, 3))
        name = " ".join(words[int(200_000 * chance.random() ** 2)].title() for _ in range(size))
        if chance.random() < 0.3:
            name = f"{name} {chance.choice(kinds)}"
        if hash(name) not in seen:
            seen.add(hash(name))
            yield name


def asked_of(path: Path) -> list[Asked]:
    """Return the questions about the database at `path`, always the same."""
    chance = random.Random(5)
    asked = []
    with closing(sqlite3.connect(path)) as connection:
        for number in range(QUESTIONS):
            table = f"party_{number % TABLES}"
            top = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
            (value,) = connection.execute(
                f"SELECT name FROM {table} WHERE id = ?", (chance.randint(1, top),)
            ).fetchone()
            kind = KINDS[number // 2 % len(KINDS)] if number % 2 else "as written"
            words = _wrong(value, kind, chance)
            question = f"How many contracts were signed with {words} since the year 2019?"
            asked.append(Asked(question, value, words, kind))
    return asked


def _wrong(value: str, kind: str, chance: random.Random) -> str:
    """The value with one error of this kind, anywhere but in its first letter."""
    while kind != "as written":
        at, letter = chance.randrange(1, len(value)), chance.choice("abcdefghijklmnopqrstuvwxyz")
        match kind:
            case "left out":
                words = value[:at] + value[at + 1 :]
            case "added":
                words = value[:at] + letter + value[at:]
            case "replaced":
                words = value[:at] + letter + value[at + 1 :]
            case _:
                words = value[:at] + value[at : at + 2][::-1] + value[at + 2 :]
        if words != value:
            return words
    return value


def _build(folder: Path) -> dict[str, Any]:
    started, spent = time.perf_counter(), time.process_time()
    with closing(open_database(str(folder / "names.sqlite"))) as database:
        survey(database, folder / "home", rebuild=True)
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "processor": round(time.process_time() - spent, 1),
        "megabytes": peak_megabytes(),
        "disk": round(sum(f.stat().st_size for f in (folder / "home").iterdir()) / 2**20),
    }


def _ask(folder: Path) -> dict[str, Any]:
    asked = asked_of(folder / "names.sqlite")
    with closing(open_database(str(folder / "names.sqlite"))) as database:
        schema = database.schema()
    before = peak_megabytes()
    index = open_index(folder / "home", schema)
    assert index is not None
    spent: list[float] = []
    right: Counter[str] = Counter()
    with closing(index):
        for one in asked:
            started = time.perf_counter()
            hits = index.mentions(one.question)
            spent.append((time.perf_counter() - started) * 1000)
            right[one.kind] += any(hit.value == one.value for hit in hits[:10])
    return {
        "serving": peak_megabytes() - before,
        "p50": round(percentile(spent, 0.5), 1),
        "p95": round(percentile(spent, 0.95), 1),
        **shares(asked, right),
    }


def shares(asked: list[Asked], right: Mapping[str, int]) -> dict[str, float]:
    """Return the percentage of questions that led to their value, by what is wrong with them."""
    counts = Counter(one.kind for one in asked)
    found = {kind: round(100 * right.get(kind, 0) / counts[kind], 1) for kind in counts}
    wrong = sum(right.get(kind, 0) for kind in KINDS)
    found["one typing error"] = round(100 * wrong / max(sum(counts[kind] for kind in KINDS), 1), 1)
    return found


def peak_megabytes() -> int:
    """Return the peak resident memory of this process in megabytes."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(used / (2**20 if sys.platform == "darwin" else 2**10))


if __name__ == "__main__":
    if "--step" in sys.argv:
        chosen = {"make": _make, "build": _build, "ask": _ask}[sys.argv[2]]
        print(json.dumps(chosen(Path(sys.argv[3]))))
    else:
        typer.run(main)
