"""Shipped graphs as weights again: what was exported comes back, and answers alike."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from command import quorum  # tests/command.py
from quorumsql.db import open_database
from quorumsql.errors import ModelError, UsageError
from quorumsql.forms.linear import FORMS
from quorumsql.neural.graphs import Graphs
from quorumsql.neural.tokenise import Encoded, pooling
from quorumsql.shipped import FOLDER
from quorumsql.stores.values import MemoryValueIndex
from quorumsql.train.embedded import Plan
from quorumsql.train.export import export
from quorumsql.train.model import Ensemble, Member, Shape
from quorumsql.train.reader_model import ReaderModel
from quorumsql.train.restore import load_reader, load_shipped
from quorumsql.train.selector import export_reader
from quorumsql.train.start import train_embedded

TINY = Shape(width=48, heads=4, hidden=64, shared_layers=3, decoder_layers=2, decoder_heads=4,
             decoder_hidden=80, max_steps=40)  # fmt: skip
QUESTIONS = (
    "How many pets are there?",
    "What are the names of owners older than 30?",
    "Which owners have a Dog?",
)


def test_what_was_exported_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = Ensemble(TINY, ("columns", "plan"))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    record = {"shape": asdict(TINY), "forms": ("columns", "plan"), "held_out": ["shop"]}
    wanted = {name: tensor.half().float() for name, tensor in model.state_dict().items()}
    torch.save({**record, "plan": asdict(Plan()), "weights": wanted}, tmp_path / "members.pt")
    export(tmp_path / "members.pt", tmp_path / "out", tokenizer=FOLDER / "tokenizer.json")
    weights, found = load_shipped(tmp_path / "out")
    assert found["shape"] == asdict(TINY)
    assert (found["forms"], found["held_out"]) == (("columns", "plan"), ["shop"])
    assert weights.keys() == wanted.keys()
    for name, tensor in wanted.items():
        step = (tensor.max() - tensor.min()) / 255
        assert (weights[name] - tensor).abs().max() <= 1.1 * step, name


def test_an_exported_reader_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = ReaderModel(TINY)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    wanted = {name: tensor.half().float() for name, tensor in model.state_dict().items()}
    record = {"shape": asdict(TINY), "plan": {}, "weights": wanted}
    torch.save(record, tmp_path / "reader.pt")
    export_reader(tmp_path / "reader.pt", tmp_path / "reader.onnx")
    weights = load_reader(tmp_path / "reader.onnx")
    assert weights.keys() == wanted.keys()
    for name, tensor in wanted.items():
        step = (tensor.max() - tensor.min()) / 255
        assert (weights[name] - tensor).abs().max() <= 1.1 * step, name


def test_what_is_no_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"trunk\.onnx holds no reader"):
        load_reader(FOLDER / "trunk.onnx")
    (tmp_path / "reader.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="cannot be read"):
        load_reader(tmp_path / "reader.onnx")


@pytest.fixture
def questions(tmp_path: Path) -> tuple[Graphs, list[Encoded]]:
    """The shipped graphs, and questions about a small database as they read them."""
    path = tmp_path / "pets.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE owner (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
            CREATE TABLE pet (id INTEGER PRIMARY KEY, kind TEXT,
                              owner_id INTEGER REFERENCES owner (id));
            INSERT INTO owner VALUES (1, 'Ann', 31), (2, 'Bob', 20);
            INSERT INTO pet VALUES (1, 'Dog', 1), (2, 'Cat', 2);
            """
        )
    connection.close()
    database = open_database(str(path))
    schema = database.schema()
    index = MemoryValueIndex.build(database, schema)
    database.close()
    graphs = Graphs(FOLDER)
    reads = graphs.tokeniser
    pieces = reads.pieces(schema)
    return graphs, [reads.encode(text, pieces, index.mentions(text)) for text in QUESTIONS]


def test_weights_of_the_package_answer_as_its_graphs_do(
    questions: tuple[Graphs, list[Encoded]],
) -> None:
    graphs, asked = questions
    weights, record = load_shipped(FOLDER)
    model = Ensemble(Shape(**record["shape"]), record["forms"])
    model.load_state_dict(weights)
    model.eval()
    same, alike = [], []
    for encoded in asked:
        for form in record["forms"]:
            actions, theirs = _written(graphs, encoded, form)
            ours = _scores(model, encoded, form, actions)
            alike.append(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])
            same += (ours.argmax(1) == theirs.argmax(1)).tolist()
    # What is left is that graphs round activations to 8 bits, too.
    assert np.mean(alike) > 0.99 and min(alike) > 0.98
    assert np.mean(same) > 0.9


def _written(
    graphs: Graphs, encoded: Encoded, form: str, steps: int = 6
) -> tuple[list[int], np.ndarray]:
    """The first actions that a graph likes best, from the one that starts, and its scores."""
    memory = graphs.encode(encoded, form)
    layers, width = graphs.manifest["layers"], graphs.manifest["width"]
    past = np.zeros((layers, 1, 0, width), np.float32)
    actions, rows = [len(memory.inputs) - 1], []
    for step in range(steps):
        scores, past = graphs.step(form, memory, np.array([actions[-1]]), step, past)
        rows.append(scores[0])
        actions.append(int(scores[0].argmax()))
    return actions[:-1], np.array(rows)


def _scores(model: Ensemble, encoded: Encoded, form: str, actions: list[int]) -> np.ndarray:
    items, spans = pooling(encoded)
    spans = spans if len(spans) else np.zeros((1, len(encoded.ids)), np.float32)
    arrays = (encoded.ids, encoded.position, encoded.features, encoded.pairs, items, spans)
    ids, position, features, pairs, item, span = (torch.from_numpy(a)[None] for a in arrays)
    member = model.members[form]
    assert isinstance(member, Member)
    with torch.inference_mode():
        states = model.trunk(ids, position, features, pairs.long(), None)
        own, inputs, keys = member.encode(states, pairs.long(), None, item, span)
        return np.asarray(member(own, None, inputs, keys, torch.tensor([actions]))[0])


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_shipped(tmp_path)
    folder = tmp_path / "copy"
    shutil.copytree(FOLDER, folder)
    (folder / "trunk.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be read"):
        load_shipped(folder)
    shutil.copyfile(FOLDER / "columns.step.onnx", folder / "trunk.onnx")
    with pytest.raises(ModelError):
        load_shipped(folder)


def test_training_starts_from_the_package(tmp_path: Path) -> None:
    """The data is too small to learn from, so nothing but the start happens."""
    (tmp_path / "train.json").write_text(json.dumps([]), encoding="utf-8")
    (tmp_path / "train_others.json").write_text(json.dumps([]), encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to learn from"):
        train_embedded(
            *(tmp_path, tmp_path / "out", Plan(forms=FORMS)),
            accelerator="cpu",
            weights=Path("shipped"),
            report=lambda _: None,
        )


def test_the_command_names_weights_that_do_not_exist(tmp_path: Path) -> None:
    done = quorum(
        *("train", "embedded", "--out", str(tmp_path / "out"), "--data", str(tmp_path)),
        *("--weights", str(tmp_path / "none.pt")),
    )
    assert done.returncode == 2
    assert "shipped" in done.stderr
