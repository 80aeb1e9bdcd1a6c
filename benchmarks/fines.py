"""Fines for hypotheses with unlikely results, over recorded beams: what each would have reached.

    python benchmarks/fines.py record --data DIR --out BEAMS [--per-database 60] [--seconds 600]
    python benchmarks/fines.py table BEAMS [--grid]

`record` asks the members about the databases that they held out of Spider train, runs every
hypothesis of their beams and reads it, and keeps what came of it, without any fine: one line per
question, as soon as it is there; the same command continues. `table` weighs the hypotheses with
different fines, in nats, and prints how many questions the weighted vote, the trained selector and
the best member answer rightly. The fines: for each value that the question names and the SQL leaves
out (`neural.members.LEFT_OUT`), for no rows, and for one row of zeros or NULL (`stages.refine`).
With `--grid` many combinations are tried, and those that beat the shipped ones most are shown with
paired intervals over databases: the best of many, so its gain flatters.

What is not covered: the schema filter; every schema is linked by names alone.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from quorumsql.db import open_database
from quorumsql.domain import Attempt, Brief, Candidate, Question, Rows, Schema
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.evals.metrics import Scorer, accuracy, paired_difference
from quorumsql.neural.members import BEAM, LEFT_OUT, EmbeddedMember, load_members
from quorumsql.neural.reader import Reader
from quorumsql.ports import Database
from quorumsql.shipped import FOLDER, wider
from quorumsql.stages.calibrate import load
from quorumsql.stages.choose import Ranked, group
from quorumsql.stages.link import link, within
from quorumsql.stages.refine import plausibility, suspicious
from quorumsql.stages.weigh import Weigher, load_weights
from quorumsql.stores.values import MemoryValueIndex
from regression import held_out, some_of
from replay import LIMITS, Scores, stand_in

app = typer.Typer(add_completion=False)

SHOWN = ((0, 0, 0), (2, 0, 0), (5, 0, 0), (2, 1, 0), (2, 4, 0), (2, 4, 2), (4, 4, 2), (2, 8, 4))
"""Fines for a value left out, for no rows, for one row of zeros or NULL."""
GRID = ((1, 2, 3, 4, 6), (2, 3, 4, 5, 6), (0, 1, 2, 3))
_BEST = 8
Fines = tuple[float, float, float]


def _shipped() -> Fines:
    """The fines that the package has, read off what it does."""
    none, nothing = (
        -math.log(
            plausibility(Candidate(generator="", attempts=(Attempt(sql="", execution=rows),)))
        )
        for rows in (Rows(columns=("a",), rows=()), Rows(columns=("a",), rows=((0,),)))
    )
    return LEFT_OUT, round(none, 6), round(nothing, 6)


@app.command()
def record(
    out: Annotated[Path, typer.Option(help="The file of beams.")],
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    per_database: Annotated[int, typer.Option(help="Questions of one database.", min=1)] = 60,
    seconds: Annotated[float, typer.Option(help="Stop after so many seconds.")] = math.inf,
    folder: Annotated[Path, typer.Option(help="Folder of weights.")] = FOLDER,
) -> None:
    """Ask the members, and keep their beams."""
    until = time.monotonic() + seconds
    known = load_spider(data / "spider/train.json", data / "spider/database")
    tasks = some_of(known, held_out(folder), per_database)
    done = {line["index"] for line in _lines(out)} if out.is_file() else set()
    members = load_members(folder=folder, beams=wider(BEAM))
    reader = Reader(folder / "reader.onnx")
    with out.open("a", encoding="utf-8") as file:
        for name in sorted({task.db_id for task in tasks}):
            own = [task for task in tasks if task.db_id == name and task.index not in done]
            if not own:
                continue
            with closing(open_database(own[0].database)) as database:
                for line in _asked(own, database, members, reader):
                    file.write(json.dumps(line) + "\n")
                    file.flush()
                    if time.monotonic() > until:
                        print(f"{out}: not all yet; run again to go on.")
                        return
            print(f"{name}: {len(own)}", flush=True)


def _asked(
    tasks: Sequence[Task], database: Database, members: Sequence[EmbeddedMember], reader: Reader
) -> Iterator[dict[str, Any]]:
    schema, scorer = database.schema(), Scorer(database)
    index = MemoryValueIndex.build(database, schema)
    for task in tasks:
        question = Question(text=task.question)
        hits = index.mentions(task.question)
        part = link(question, schema, hits)
        brief = Brief(question=question, schema=part, hits=within(hits, part))
        drafts = [(member.name, draft) for member in members for draft in member.drafts(brief)]
        ran = {d.sql: database.execute(d.sql, limits=LIMITS) for _, d in drafts}
        pool = [
            Candidate(
                generator=name,
                attempts=(Attempt(sql=draft.sql, execution=ran[draft.sql]),),
                guessed=draft.guessed,
            )
            for name, draft in drafts
        ]
        voters = [i for i, one in enumerate(pool) if isinstance(one.final.execution, Rows)]
        parts = group(pool, voters, dialect=schema.dialect)
        home = {i: number for number, own in enumerate(parts) for i in own}
        right = {sql: scorer.correct(task.gold, sql, found) for sql, found in ran.items()}
        read = reader.score(question, pool, schema)
        yield {
            "index": task.index,
            "db_id": task.db_id,
            "question": task.question,
            "beam": [
                {
                    "member": name,
                    "sql": draft.sql,
                    "score": round(draft.score, 5),
                    "left_out": draft.left_out,
                    "status": one.status,
                    "nothing": plausibility(one) < 1 and one.status == "ok",
                    "suspicious": suspicious(one),
                    "group": home.get(i),
                    "right": right[draft.sql],
                    "read": None if math.isinf(read[i]) else round(read[i], 5),
                }
                for i, ((name, draft), one) in enumerate(zip(drafts, pool, strict=True))
            ],
        }


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@app.command()
def table(
    beams: Annotated[Path, typer.Argument(help="What `record` wrote.")],
    grid: Annotated[bool, typer.Option("--grid", help="Try many combinations.")] = False,
    folder: Annotated[Path, typer.Option(help="Folder of weights.")] = FOLDER,
) -> None:
    """Print what fines reach."""
    lines = _lines(beams)
    clusters = [line["db_id"] for line in lines]
    chooses = Chooses.of(folder)
    print(f"{len(lines)} questions about {len(set(clusters))} databases held out\n")
    print("| left out | no rows | zeros or NULL | vote | trained | best member |")
    print("|---|---|---|---|---|---|")
    shipped = _shipped()
    for fines in dict.fromkeys([*((float(a), float(b), float(c)) for a, b, c in SHOWN), shipped]):
        right = chooses.right(lines, fines)
        cells = [f"{100 * np.mean(right[kind]):.1f}" for kind in ("vote", "trained")]
        best = max(float(np.mean(v)) for k, v in right.items() if k not in ("vote", "trained"))
        mark = " (shipped)" if fines == shipped else ""
        print(f"| {' | '.join(f'{f:g}' for f in fines)}{mark} | {' | '.join(cells)} | "
              f"{100 * best:.1f} |", flush=True)  # fmt: skip
    if grid:
        _grid(lines, clusters, chooses, shipped)


def _grid(
    lines: Sequence[Mapping[str, Any]], clusters: Sequence[str], chooses: Chooses, shipped: Fines
) -> None:
    ours = chooses.right(lines, shipped)
    tried = {
        (float(a), float(b), float(c)): chooses.right(lines, (float(a), float(b), float(c)))
        for a, b, c in product(*GRID)
    }
    print("\n| chosen by | left out | no rows | zeros or NULL | accuracy | minus shipped |")
    print("|---|---|---|---|---|---|")
    for kind in ("vote", "trained"):
        ranked = sorted(tried, key=lambda fines: -sum(tried[fines][kind]))
        for fines in ranked[:_BEST]:
            apart = paired_difference(tried[fines][kind], ours[kind], clusters)
            print(f"| {kind} | {' | '.join(f'{f:g}' for f in fines)} | "
                  f"{100 * accuracy(tried[fines][kind], clusters).value:.1f} | "
                  f"{100 * apart.value:+.1f} ({100 * apart.low:+.1f} to "
                  f"{100 * apart.high:+.1f}) |")  # fmt: skip


@dataclass(frozen=True)
class Chooses:
    """The weighted vote, and the weights of the trained selector."""

    vote: Ranked
    weights: Any

    @classmethod
    def of(cls, folder: Path) -> Chooses:
        """Read them where the package keeps them."""
        ranks = load(folder / "calibration.json").ranks
        return cls(Ranked(ranks), load_weights(folder / "weigh_members.json"))

    def right(self, lines: Sequence[Mapping[str, Any]], fines: Fines) -> dict[str, list[bool]]:
        """Per way to choose, and per member, whether each question is answered rightly."""
        names = sorted({one["member"] for line in lines for one in line["beam"]})
        found: dict[str, list[bool]] = {name: [] for name in ("vote", "trained", *names)}
        for line in lines:
            pool, right, reader = _weighed(line["beam"], fines)
            question, schema = Question(text=line["question"]), Schema(name=line["db_id"])
            trained = Weigher(reader, self.weights, ranks=self.vote.ranks)
            for name, selector in (("vote", self.vote), ("trained", trained)):
                place = selector.choose(question, pool, schema).candidate
                found[name].append(place is not None and right[place])
            for name in names:
                own = [i for i, one in enumerate(pool) if one.generator == name and one.weight > 0]
                top = max(own, key=lambda i: pool[i].weight, default=None)
                found[name].append(top is not None and right[top])
        return found


def _weighed(
    beam: Sequence[Mapping[str, Any]], fines: Fines
) -> tuple[list[Candidate], list[bool], Scores]:
    """The candidates of a beam with these fines, as `refine` leaves them."""
    left_out, empty, nothing = fines
    texts: dict[tuple[str, str], Mapping[str, Any]] = {}
    mass: defaultdict[tuple[str, str], float] = defaultdict(float)
    for one in beam:
        key = (one["member"], one["sql"])
        texts[key] = one
        fine = left_out * one["left_out"] + empty * (one["status"] == "empty")
        mass[key] += math.exp(one["score"] - fine - nothing * one["nothing"])
    clean = {name for (name, _), one in texts.items() if _ran(one) and not one["suspicious"]}
    voting = {
        key: _ran(one) and (not one["suspicious"] or key[0] not in clean)
        for key, one in texts.items()
    }
    totals: defaultdict[str, float] = defaultdict(float)
    for (name, _), weight in ((key, mass[key]) for key in texts if voting[key]):
        totals[name] += weight
    pool = []
    for (name, sql), one in texts.items():
        execution = stand_in(one["status"], one["group"], nothing=one["nothing"])
        weight = mass[name, sql] / totals[name] if voting[name, sql] else 0.0
        pool.append(
            Candidate(
                generator=name, attempts=(Attempt(sql=sql, execution=execution),), weight=weight
            )
        )
    scores = {
        id(one.attempts[-1]): -math.inf if said["read"] is None else float(said["read"])
        for one, said in zip(pool, texts.values(), strict=True)
    }
    return pool, [one["right"] for one in texts.values()], Scores(scores)


def _ran(one: Mapping[str, Any]) -> bool:
    return one["status"] in ("ok", "empty")


if __name__ == "__main__":
    app()
