"""Building and asking the index of values at a size: time, memory, latency; beside datasketch.

    python benchmarks/values_scale.py --values 1000000 [--datasketch]

Makes a database of so many distinct names (people, streets, firms; 1 to 4 words each) in a
temporary folder. The survey, the look-ups and datasketch each run in a process of their own,
whose peak resident memory is measured. Questions name a stored value, half of them with one
typing error. With `--datasketch`, the same values go into `MinHashLSH` of that package as CHESS
does it: one MinHash per value in a loop, 100 permutations, 3-grams, threshold 0.01; its answers
are the ten most similar candidates of the literal alone, by estimated Jaccard.

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
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from quorumsql.db import open_database
from quorumsql.evals.metrics import percentile
from quorumsql.survey import open_index, survey

_TABLES = 4
_QUESTIONS = 400


def main(
    values: Annotated[int, typer.Option(help="How many distinct values.")] = 1_000_000,
    datasketch: Annotated[bool, typer.Option(help="Also build with datasketch.")] = False,
) -> None:
    """Print a Markdown table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder / "names.sqlite", values)
        built = _run("build", folder)
        asked = _run("ask", folder)
        print(f"| {values:,} values | quorumsql | datasketch |\n|---|---|---|")
        other: dict[str, Any] = _run("datasketch", folder) if datasketch else {}
        rows = (
            ("build, s", built["seconds"], other.get("build", "–")),
            ("peak memory to build, MB", built["megabytes"], other.get("megabytes", "–")),
            ("on disk, MB", built["disk"], "–"),
            (
                "memory to serve beyond an empty process, MB",
                asked["added"],
                other.get("added", "–"),
            ),
            ("look-up p50, ms", asked["p50"], other.get("p50", "–")),
            ("look-up p95, ms", asked["p95"], other.get("p95", "–")),
            ("found, as written, %", asked["clean"], other.get("clean", "–")),
            ("found, one typing error, %", asked["typo"], other.get("typo", "–")),
        )
        for label, ours, theirs in rows:
            print(f"| {label} | {ours} | {theirs} |")


def _run(step: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _make(path: Path, count: int) -> None:
    """Write `count` distinct names into a few tables."""
    names = _names(count)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        for number in range(_TABLES):
            connection.execute(f"CREATE TABLE party_{number} (id INTEGER PRIMARY KEY, name TEXT)")
            share = count // _TABLES if number else count - count // _TABLES * (_TABLES - 1)
            rows = ((next(names),) for _ in range(share))
            connection.executemany(f"INSERT INTO party_{number} (name) VALUES (?)", rows)
        connection.commit()


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


def _asked(path: Path) -> list[tuple[str, str, str, bool]]:
    """Question, value, the words it uses for it, and whether those have an error."""
    chance = random.Random(5)
    with closing(sqlite3.connect(path)) as connection:
        asked = []
        for number in range(_QUESTIONS):
            table = f"party_{number % _TABLES}"
            top = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
            (value,) = connection.execute(
                f"SELECT name FROM {table} WHERE id = ?", (chance.randint(1, top),)
            ).fetchone()
            words, wrong = value, number % 2 == 1
            if wrong:
                at = chance.randrange(1, len(value))
                letter = chance.choice("aeioulnrst")
                words = value[:at] + letter + value[at + 1 :]
            question = f"How many contracts were signed with {words} since the year 2019?"
            asked.append((question, value, words, wrong))
    return asked


def _build(folder: Path) -> dict[str, Any]:
    started = time.perf_counter()
    with closing(open_database(str(folder / "names.sqlite"))) as database:
        survey(database, folder / "home")
    file = folder / "home" / "known.sqlite"
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "megabytes": _peak(),
        "disk": round(file.stat().st_size / 2**20),
    }


def _ask(folder: Path) -> dict[str, Any]:
    asked = _asked(folder / "names.sqlite")
    with closing(open_database(str(folder / "names.sqlite"))) as database:
        schema = database.schema()
    before = _peak()
    index = open_index(folder / "home", schema)
    assert index is not None
    spent, right = [], {True: 0, False: 0}
    with closing(index):
        for question, value, _, wrong in asked:
            started = time.perf_counter()
            hits = index.mentions(question)
            spent.append((time.perf_counter() - started) * 1000)
            right[wrong] += any(hit.value == value for hit in hits[:10])
    return _summary(spent, right, len(asked), before)


def _datasketch(folder: Path) -> dict[str, Any]:
    from datasketch import MinHash, MinHashLSH

    def minhash(text: str) -> Any:
        found = MinHash(num_perm=100)
        for i in range(max(len(text) - 2, 1)):
            found.update(text[i : i + 3].lower().encode())
        return found

    asked = _asked(folder / "names.sqlite")
    before = _peak()
    started = time.perf_counter()
    index, signatures = MinHashLSH(threshold=0.01, num_perm=100), {}
    with closing(sqlite3.connect(folder / "names.sqlite")) as connection:
        for number in range(_TABLES):
            for (value,) in connection.execute(f"SELECT name FROM party_{number}"):
                signatures[value] = minhash(value)
                index.insert(value, signatures[value])
    build = round(time.perf_counter() - started, 1)
    spent, right = [], {True: 0, False: 0}
    some = asked[:40]
    for _, value, words, wrong in some:
        started = time.perf_counter()
        own = minhash(words)
        found = sorted(index.query(own), key=lambda v: -signatures[v].jaccard(own))[:10]
        spent.append((time.perf_counter() - started) * 1000)
        right[wrong] += value in found
    return {"build": build, "megabytes": _peak(), **_summary(spent, right, len(some), before)}


def _summary(spent: list[float], right: dict[bool, int], count: int, before: int) -> dict[str, Any]:
    return {
        "added": _peak() - before,
        "p50": round(percentile(spent, 0.5), 1),
        "p95": round(percentile(spent, 0.95), 1),
        "clean": round(100 * right[False] / (count // 2), 1),
        "typo": round(100 * right[True] / (count // 2), 1),
    }


def _peak() -> int:
    """Peak resident memory of this process in megabytes."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(used / (2**20 if sys.platform == "darwin" else 2**10))


if __name__ == "__main__":
    if "--step" in sys.argv:
        chosen = {"build": _build, "ask": _ask, "datasketch": _datasketch}[sys.argv[2]]
        print(json.dumps(chosen(Path(sys.argv[4]))))
    else:
        typer.run(main)
