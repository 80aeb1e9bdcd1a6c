"""Spider dev asked in other words: typos, synonyms, paraphrases, column names avoided or changed.

Each question is asked as it is, and with one kind of change where the change finds something to
do. Gold stays the same, but for renamed columns, where a copy of the database and the gold query
get the new names, and questions whose gold then gives another result are left out. Prints what is
right of the changed questions, of the same ones as they are, the share and the paired difference.
The word lists are our own and stand in `robustness_words.py`; nothing is trained or fitted on them.

    python benchmarks/robustness.py --data DIR [--out runs/robustness] [--every 4]

What is not covered: changes that a person would make; these are made by rule.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import sqlglot
import typer
from sqlglot import exp

from quorumsql.evals.metrics import paired_difference
from robustness_words import COLUMNS, OPENINGS, OTHERWISE, SYNONYMS  # beside this script

Row: TypeAlias = dict[str, Any]
_QUORUM = str(Path(sys.executable).with_name("quorum"))
_LITERAL = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/robustness"),
    every: Annotated[int, typer.Option(help="Ask every so many-th question.", min=1)] = 1,
    workers: Annotated[int, typer.Option(help="Processes to answer with.")] = 1,
) -> None:
    """Print the table."""
    dev = json.loads((data / "spider/dev.json").read_text(encoding="utf-8"))[::every]
    out.mkdir(parents=True, exist_ok=True)
    folder = data / "spider/database"
    clean = _answered(dev, folder, out / "as_they_are", workers)
    print(f"{len(dev)} questions, of which {100 * sum(clean) / len(dev):.1f} % are right.\n")
    print("| changed | questions | right, % | as they are, % | share, % | difference, points |")
    print("|---|---|---|---|---|---|")
    for name, change in _CHANGES.items():
        asked = [change(row, random.Random(f"{name}-{n}")) for n, row in enumerate(dev)]
        kept = [n for n, text in enumerate(asked) if text != dev[n]["question"]]
        rows = [{**dev[n], "question": asked[n]} for n in kept]
        right = _answered(rows, folder, out / name.replace(" ", "_"), workers)
        _print(name, right, [clean[n] for n in kept], rows)
    renamed, names = _renamed(dev, folder, out / "databases")
    found = {n: query for n, row in enumerate(dev) if (query := _gold(row, folder, renamed, names))}
    rows = [{**dev[n], "query": query} for n, query in found.items()]
    right = _answered(rows, renamed, out / "renamed_columns", workers)
    _print("renamed columns", right, [clean[n] for n in found], rows)


def _print(name: str, right: list[bool], before: list[bool], rows: list[Row]) -> None:
    if not rows:
        return
    apart = paired_difference(right, before, [row["db_id"] for row in rows])
    points = [f"{100 * x:+.1f}" for x in (apart.value, apart.low, apart.high)]
    now, then = (100 * sum(flags) / len(flags) for flags in (right, before))
    print(
        f"| {name} | {len(rows)} | {now:.1f} | {then:.1f} | {100 * now / max(then, 1e-9):.0f} "
        f"| {points[0]} ({points[1]} to {points[2]}) |",
        flush=True,
    )


def _typo(row: Row, rng: random.Random) -> str:
    """One wrong letter in one long word that is no value."""
    question: str = row["question"]
    values = _values(row)
    places = [m for m in re.finditer(r"(?<!['\"\w])[a-z]{5,}(?!['\"\w])", question)]
    places = [m for m in places if m[0] not in values]
    if not places:
        return question
    match = rng.choice(places)
    wrong = match[0]
    while wrong == match[0]:
        wrong = _misspelt(match[0], rng)
    return question[: match.start()] + wrong + question[match.end() :]


def _misspelt(word: str, rng: random.Random) -> str:
    """Two letters swapped, one lost, one more, or a wrong one; the first and last are kept."""
    at = rng.randrange(1, len(word) - 2)
    letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
    return rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
        )
    )


def _synonyms(row: Row, _: random.Random) -> str:
    """Every word that has one is replaced, but for values."""
    values = _values(row)

    def other(match: re.Match[str]) -> str:
        word = match[0]
        found = SYNONYMS.get(word.lower() if match.start() == 0 else word)
        if found is None or word.lower() in values:
            return word
        return found.capitalize() if word[0].isupper() else found

    question: str = row["question"]
    return re.sub(r"(?<!['\"\w])\w+(?!['\"\w])", other, question)


def _paraphrase(row: Row, _: random.Random) -> str:
    """Another opening around the same words."""
    text: str = row["question"].strip()
    for pattern, said in OPENINGS:
        if match := re.match(pattern, text, re.IGNORECASE):
            return f"{said}".format(match[1].rstrip(" ?."))
    return f"Please help me: {text}"


def _avoided(row: Row, _: random.Random) -> str:
    """The names of columns that the gold query reads, said in words that share none with them."""
    question: str = row["question"]
    tree = sqlglot.parse_one(row["query"], dialect="sqlite")
    read = {column.name.lower().replace("_", " ") for column in tree.find_all(exp.Column)}
    for name in sorted(read & OTHERWISE.keys(), key=len, reverse=True):
        one, many = OTHERWISE[name]
        for words, said in ((_plural(name), many), (name, one)):
            question = re.sub(
                rf"(?<!['\"\w]){re.escape(words)}(?!['\"\w])", said, question, flags=re.IGNORECASE
            )
    return question[0].upper() + question[1:]


def _plural(words: str) -> str:
    ies = words.endswith("y") and words[-2] not in "aeiou"
    return f"{words[:-1]}ies" if ies else words if words.endswith("s") else f"{words}s"


def _values(row: Row) -> set[str]:
    """Words of the gold query's literals, in lower case."""
    found = (match[1] or match[2] or "" for match in _LITERAL.finditer(row["query"]))
    return {word for text in found for word in re.findall(r"\w+", text.lower())}


_CHANGES: dict[str, Callable[[Row, random.Random], str]] = {
    "typos": _typo,
    "synonyms": _synonyms,
    "paraphrases": _paraphrase,
    "column names avoided": _avoided,
}


def _renamed(dev: list[Row], folder: Path, out: Path) -> tuple[Path, dict[str, dict[str, str]]]:
    """Copy the databases, and give columns their other names; return those by database.

    A name that some table of the database has already is given to no other column.
    """
    names: dict[str, dict[str, str]] = {}
    for name in sorted({row["db_id"] for row in dev}):
        copy = out / name / f"{name}.sqlite"
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_suffix(".part")
        shutil.copyfile(folder / name / f"{name}.sqlite", part)
        part.chmod(0o644)
        with closing(sqlite3.connect(part)) as connection:
            tables = _columns(connection)
            known = {column.lower() for columns in tables.values() for column in columns}
            names[name] = {a: b for a, b in COLUMNS.items() if a in known and b not in known}
            for table, columns in tables.items():
                for column in columns:
                    if new := names[name].get(column.lower()):
                        connection.execute(
                            f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{new}"'
                        )
            connection.commit()
        part.replace(copy)
    return out, names


def _columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = [table for (table,) in found if not table.startswith("sqlite_")]
    return {t: [r[1] for r in connection.execute(f'PRAGMA table_info("{t}")')] for t in tables}


def _gold(row: Row, folder: Path, renamed: Path, names: dict[str, dict[str, str]]) -> str | None:
    """The gold query with the new names; None where it reads none, or its result is another."""
    tree = sqlglot.parse_one(row["query"], dialect="sqlite")
    changed = False
    for column in tree.find_all(exp.Column):
        new = names[row["db_id"]].get(column.name.lower())
        if new and not column.this.quoted:  # Spider quotes values so
            column.this.replace(exp.to_identifier(new))
            changed = True
    query = tree.sql(dialect="sqlite")
    before = _rows(folder, row["db_id"], row["query"])
    return query if changed and before == _rows(renamed, row["db_id"], query) else None


def _rows(folder: Path, name: str, query: str) -> list[Any] | None:
    with closing(sqlite3.connect(f"file:{folder / name / name}.sqlite?mode=ro", uri=True)) as db:
        db.text_factory = bytes
        try:
            return sorted(map(repr, db.execute(query).fetchall()))
        except sqlite3.Error:
            return None


def _answered(rows: list[Row], folder: Path, out: Path, workers: int) -> list[bool]:
    if not rows:
        return []
    questions = out.with_suffix(".json")
    questions.write_text(json.dumps(rows), encoding="utf-8")
    command = [
        *(_QUORUM, "eval", "spider", "--json", "--questions", str(questions)),
        *("--db-dir", str(folder), "--out", str(out), "--workers", str(workers)),
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    found = {line["index"]: line["correct"] for line in map(json.loads, lines)}
    return [found[number] for number in range(len(rows))]


if __name__ == "__main__":
    typer.run(main)
