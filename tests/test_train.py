"""Training on a tiny data set: it can be interrupted, exported, measured and started again."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command import quorum  # tests/command.py
from quorumsql.db import open_database
from quorumsql.domain import Brief, Question
from quorumsql.errors import UsageError
from quorumsql.neural.members import load_members
from quorumsql.neural.relate import BY_NAME
from quorumsql.neural.tokenise import FEATURES, ROLES, Tokeniser
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.train.data import MASK, Blur, load_examples
from quorumsql.train.embedded import Plan, _order, train
from quorumsql.train.export import export
from quorumsql.train.model import Shape
from tiny_spider import QUESTIONS, write_spider

TINY = Shape(width=48, heads=4, hidden=64, shared_layers=2, decoder_layers=2, decoder_heads=4,
             decoder_hidden=64)  # fmt: skip
pytestmark = pytest.mark.usefixtures("one_thread")
PLAN = Plan(passes=2, batch=2, warm_up=2, synthetic=0, files=("train.json",), invented=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_spider(tmp_path / "tiny", ("one", "two", "three"))


def run(
    data: Path, out: Path, tokenizer: Path, *, stop_at: int | None = None, **changes: Any
) -> Any:
    """Train the tiny shape; KeyboardInterrupt after step `stop_at`."""
    events: list[dict[str, Any]] = []

    def report(event: dict[str, Any]) -> None:
        events.append(event)
        if stop_at is not None and event.get("step") == stop_at + 1:
            raise KeyboardInterrupt

    path = train(
        data, out, changes.pop("plan", PLAN), start=changes.pop("start", None),
        tokeniser=Tokeniser(tokenizer), shape=TINY, report=report, checkpoint_seconds=0.0,
    )  # fmt: skip
    return torch.load(path, weights_only=True), events


def test_an_interrupted_training_ends_with_the_same_weights(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    whole, events = run(data, tmp_path / "whole", tokenizer)
    assert [e["event"] for e in events if e["event"] != "step"] == ["start", "pass", "pass"]
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "cut", tokenizer, stop_at=3)
    resumed, events = run(data, tmp_path / "cut", tokenizer)
    assert events[0]["resumed_at"] == 3
    assert whole["weights"].keys() == resumed["weights"].keys()
    for name, tensor in whole["weights"].items():
        assert torch.equal(tensor, resumed["weights"][name]), name


def test_what_is_kept_may_lie_between_earlier_weights_and_later_ones(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    first = run(data, tmp_path / "first", tokenizer)[0]["weights"]
    start = {name: tensor.float() for name, tensor in first.items()}
    after, between = (
        run(data, tmp_path / str(blend), tokenizer, start=start, plan=replace(PLAN, blend=blend))[
            0
        ]["weights"]
        for blend in (1.0, 0.25)
    )
    changed = [name for name in first if not torch.equal(first[name], after[name])]
    assert changed
    for name in changed:
        expected = torch.lerp(first[name].float(), after[name].float(), 0.25)
        assert torch.allclose(between[name].float(), expected, atol=2e-3)


def test_databases_are_held_out_whole(data: Path, tmp_path: Path, tokenizer: Path) -> None:
    record, events = run(data, tmp_path / "out", tokenizer)
    assert len(record["held_out"]) == 1
    assert events[0]["examples"] == 2 * len(QUESTIONS)


def test_synthetic_questions_come_from_the_databases_that_are_learned(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    plan = replace(PLAN, passes=1, synthetic=6)
    record, events = run(data, tmp_path / "out", tokenizer, plan=plan)
    assert (events[0]["examples"], events[0]["synthetic"]) == (2 * len(QUESTIONS), 6)
    steps = [event for event in events if event["event"] == "step"]
    assert len(steps) == len(QUESTIONS) + 3  # two a step, real and synthetic ones apart
    assert record["plan"]["synthetic"] == 6


def test_a_checkpoint_of_another_plan_is_refused(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    run(data, tmp_path / "out", tokenizer)
    other = replace(PLAN, passes=3)
    with pytest.raises(UsageError, match="another plan"):
        run(data, tmp_path / "out", tokenizer, plan=other)


def test_missing_data_says_so(tmp_path: Path, tokenizer: Path) -> None:
    with pytest.raises(UsageError, match="--data"):
        run(tmp_path, tmp_path / "out", tokenizer)


def test_exported_members_write_sql_that_parses(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    run(data, tmp_path / "out", tokenizer)
    folder = tmp_path / "weights"
    export(tmp_path / "out" / "members.pt", folder, tokenizer=tokenizer)
    database = open_database(str(data / "database" / "one" / "one.sqlite"))
    schema = database.schema()
    index = MemoryValueIndex.build(database, schema)
    text = "Which owners have a dog?"
    brief = Brief(question=Question(text=text), schema=schema, hits=index.mentions(text))
    for member in load_members(folder=folder, beam=4):
        for candidate in member.generate(brief):
            assert "syntax error" not in str(database.execute(candidate.sql))
    database.close()


def test_the_command_says_what_it_needs(tmp_path: Path) -> None:
    done = quorum(
        "train", "embedded", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "no")
    )
    assert done.returncode == 2
    assert "--data DIR" in done.stderr


def test_synthetic_questions_grow_fewer_and_are_gone_in_the_last_pass(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    plan = replace(PLAN, passes=3, synthetic=8)
    _, events = run(data, tmp_path / "out", tokenizer, plan=plan)
    kinds = [event["event"] for event in events[1:]]
    ends = [n for n, kind in enumerate(kinds) if kind == "pass"]
    steps = [ends[0], ends[1] - ends[0] - 1, ends[2] - ends[1] - 1]
    assert steps == [len(QUESTIONS) + 4, len(QUESTIONS) + 2, len(QUESTIONS)]


def test_blurred_questions_keep_their_values(data: Path, tokenizer: Path) -> None:
    reads = Tokeniser(tokenizer)
    (example,) = [
        e for e in load_examples(data, ("train.json",), reads)
        if e.database == "one" and "Dog" in e.question
    ]  # fmt: skip
    clear = reads.encode(example.question, example.pieces, example.hits)
    blurred = Blur(random.Random(1), masked=1.0, blind=1.0)(clear)
    (first, last), *_ = clear.span_bounds.tolist()
    asked = [n for n, role in enumerate(clear.features[:, 0]) if role == ROLES.index("question")]
    hidden = [n for n in asked if blurred.ids[n] == MASK]
    assert hidden == [n for n in asked if not first <= n < last]
    assert clear.pairs.max() > 0 and not np.isin(blurred.pairs, BY_NAME).any()
    assert not blurred.features[:, list(FEATURES).index("name")].any()


def test_a_fold_learns_from_its_half_only(data: Path, tmp_path: Path, tokenizer: Path) -> None:
    learned = 0
    for fold in (0, 1):
        plan = replace(PLAN, passes=1, fold=fold)
        try:
            _, events = run(data, tmp_path / str(fold), tokenizer, plan=plan)
        except UsageError as error:
            assert "nothing to learn from" in str(error)
        else:
            learned += events[0]["examples"]
    assert learned == 2 * len(QUESTIONS)


def test_passes_over_a_share_read_everything_before_anything_twice(
    data: Path, tmp_path: Path, tokenizer: Path
) -> None:
    examples = load_examples(data, PLAN.files, Tokeniser(tokenizer))
    examples = (examples * 5)[:11]
    plan = replace(PLAN, share=0.3, per_database=1000)
    read = [
        [row for batch in _order(examples, plan, number) for row in batch] for number in range(6)
    ]
    assert all(len(rows) == len(set(rows)) and 3 <= len(rows) <= 4 for rows in read)
    assert set(read[0]).isdisjoint(read[1])
    assert {row for rows in read[:3] for row in rows} == set(range(11))
    assert [row for batch in _order(examples, plan, 2) for row in batch] == read[2]
