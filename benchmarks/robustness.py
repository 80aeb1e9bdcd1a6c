"""Spider dev asked in other words: typos, synonyms, paraphrases, and columns under other names.

Each question is asked five times: as it is, and with one kind of change; gold stays the same, but
for renamed columns, where a copy of the database and the gold query get the new names. Prints the
accuracy of each and its share of the clean one, with the paired difference. The word lists are
our own and stand below; nothing is trained or fitted on them.

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
from typing import Annotated, Any

import sqlglot
import typer
from sqlglot import exp

from quorumsql.evals.metrics import paired_difference

_QUORUM = str(Path(sys.executable).with_name("quorum"))

_SYNONYMS = {
    **{"names": "titles", "name": "title", "age": "years of life", "ages": "years of life"},
    **{"country": "nation", "countries": "nations", "city": "town", "cities": "towns"},
    **{"students": "pupils", "student": "pupil", "employees": "workers", "employee": "worker"},
    **{"singer": "vocalist", "singers": "vocalists", "cars": "automobiles", "car": "automobile"},
    **{"population": "number of inhabitants", "average": "mean", "maximum": "greatest"},
    **{"minimum": "least", "total": "overall", "different": "distinct", "oldest": "most aged"},
    **{"youngest": "least aged", "pets": "animals", "pet": "animal", "teachers": "instructors"},
    **{"teacher": "instructor", "shops": "stores", "shop": "store", "owners": "holders"},
    **{"owner": "holder", "year": "calendar year", "players": "athletes", "player": "athlete"},
    **{"airlines": "carriers", "airline": "carrier", "flights": "air trips", "makers": "producers"},
    **{
        "maker": "producer",
        "language": "tongue",
        "languages": "tongues",
        "horsepower": "engine power",
    },
    **{"weight": "heaviness", "height": "tallness", "nationality": "country of origin"},
    **{"documents": "papers", "document": "paper", "members": "participants", "show": "display"},
    **{"list": "enumerate", "find": "look up", "give": "provide", "return": "report"},
    **{"most": "largest number of", "concerts": "gigs", "concert": "gig", "stadium": "arena"},
    **{"stadiums": "arenas", "museum": "gallery", "museums": "galleries", "series": "shows"},
    **{"friends": "buddies", "friend": "buddy", "courses": "classes", "course": "class"},
    **{"departments": "divisions", "department": "division", "dogs": "hounds", "dog": "hound"},
    **{"salary": "pay", "price": "cost", "address": "place of residence", "phone": "telephone"},
}
_OPENINGS = (
    (r"^how many (.+?) (?:are there|do we have)\??$", "I need the number of {0}."),
    (r"^how many (.+?)\??$", "Could you tell me how many {0}?"),
    (r"^(?:what is|what's) (?:the )?(.+?)\??$", "I would like to know the {0}."),
    (r"^what are (?:the )?(.+?)\??$", "I want to see the {0}."),
    (r"^(?:show|list|find|give me|give|return|display) (?:me )?(?:the )?(.+?)[.?]?$",
     "Can you pull up the {0}, please?"),
    (r"^which (.+?)\??$", "Tell me which {0}."),
    (r"^(?:count|compute|calculate) (?:the )?(.+?)[.?]?$", "Work out the {0} for me."),
)  # fmt: skip
_COLUMNS = {
    **{"name": "title", "age": "years_old", "country": "nation", "city": "town", "year": "yr"},
    **{"population": "inhabitants", "weight": "mass", "height": "tallness", "title": "heading"},
    **{"nationality": "citizenship", "location": "place", "price": "cost", "salary": "pay"},
    **{"horsepower": "engine_power", "language": "tongue", "continent": "landmass"},
    **{"birthday": "date_of_birth", "date": "day", "description": "details", "email": "mail"},
    **{"first_name": "given_name", "last_name": "family_name", "rating": "score", "level": "grade"},
    **{"result": "outcome", "code": "short_code", "type": "kind", "capacity": "max_people"},
}


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/robustness"),
    every: Annotated[int, typer.Option(help="Ask every so many-th question.", min=1)] = 1,
    workers: Annotated[int, typer.Option(help="Processes to answer with.")] = 1,
) -> None:
    """Print the table."""
    dev = json.loads((data / "spider/dev.json").read_text(encoding="utf-8"))[::every]
    out.mkdir(parents=True, exist_ok=True)
    clean: list[bool] = []
    print("| questions | changed | accuracy, % | share of clean, % | difference, points |")
    print("|---|---|---|---|---|")
    for name, change in _CHANGES.items():
        folder, asked = data / "spider/database", [dict(row) for row in dev]
        if name == "renamed columns":
            folder = _renamed(dev, folder, out / "databases")
            asked = [_with_names(row, folder) for row in dev]
        else:
            for number, row in enumerate(asked):
                row["question"] = change(row["question"], random.Random(f"{name}-{number}"))
        changed = sum(
            a["question"] != b["question"] or a["query"] != b["query"]
            for a, b in zip(asked, dev, strict=True)
        )
        right = _answered(asked, folder, out / name.replace(" ", "_"), workers)
        clean = clean or right
        share = sum(right) / max(sum(clean), 1)
        apart = paired_difference(right, clean, [row["db_id"] for row in dev])
        points = [f"{100 * x:+.1f}" for x in (apart.value, apart.low, apart.high)]
        print(
            f"| {name} | {changed} of {len(dev)} | {100 * sum(right) / len(right):.1f} "
            f"| {100 * share:.1f} | {points[0]} ({points[1]} to {points[2]}) |"
        )


def _typo(question: str, rng: random.Random) -> str:
    """One wrong letter in one long word that is no value."""
    places = [m for m in re.finditer(r"(?<!['\"\w])[a-z]{5,}(?!['\"\w])", question)]
    if not places:
        return question
    match = rng.choice(places)
    word, at = match[0], rng.randrange(1, len(match[0]) - 1)
    letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
    wrong = rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
        )
    )
    return question[: match.start()] + wrong + question[match.end() :]


def _synonyms(question: str, _: random.Random) -> str:
    """Every word that has one is replaced; what is quoted or capitalised inside stays."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        found = _SYNONYMS.get(word.lower() if match.start() == 0 else word)
        return word if found is None else found.capitalize() if word[0].isupper() else found

    return re.sub(r"(?<!['\"\w])\w+(?!['\"\w])", other, question)


def _paraphrase(question: str, _: random.Random) -> str:
    """Another opening around the same words."""
    text = question.strip()
    for pattern, said in _OPENINGS:
        if match := re.match(pattern, text, re.IGNORECASE):
            return said.format(match[1].rstrip(" ?."))
    return f"Please help me: {text}"


_CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "as they are": lambda question, _: question,
    "typos": _typo,
    "synonyms": _synonyms,
    "paraphrases": _paraphrase,
    "renamed columns": lambda question, _: question,
}


def _renamed(dev: list[dict[str, Any]], folder: Path, out: Path) -> Path:
    """Copy the databases, with every column that has one under its other name."""
    for name in sorted({row["db_id"] for row in dev}):
        copy = out / name / f"{name}.sqlite"
        if copy.is_file():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_suffix(".part")
        shutil.copyfile(folder / name / f"{name}.sqlite", part)
        part.chmod(0o644)
        with closing(sqlite3.connect(part)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                columns = [r[1] for r in connection.execute(f'PRAGMA table_info("{table}")')]
                known = {c.lower() for c in columns}
                for column in columns:
                    new = _COLUMNS.get(column.lower())
                    if new and new not in known:
                        connection.execute(
                            f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{new}"'
                        )
            connection.commit()
        part.replace(copy)
    return out


def _with_names(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The gold query with the columns' new names, or unchanged where it then fails."""
    tree = sqlglot.parse_one(row["query"], dialect="sqlite")
    for column in tree.find_all(exp.Column):
        new = _COLUMNS.get(column.name.lower())
        if new and not column.this.quoted:
            column.this.replace(exp.to_identifier(new))
    path = folder / row["db_id"] / f"{row['db_id']}.sqlite"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        for query in (tree.sql(dialect="sqlite"), row["query"]):
            try:
                connection.execute(query).fetchall()
            except sqlite3.Error:
                continue
            return {**row, "query": query}
    raise SystemExit(f"No gold query runs on the renamed columns: {row['query']}")


def _answered(rows: list[dict[str, Any]], folder: Path, out: Path, workers: int) -> list[bool]:
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
