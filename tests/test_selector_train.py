"""Training the selector on a tiny data set: lessons, reader, export, weights, and choosing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from command import quorum  # tests/command.py
from quorumsql.db import open_database
from quorumsql.domain import Attempt, Candidate, Failure, Question, Rows, Schema
from quorumsql.errors import ModelError, UsageError
from quorumsql.evals.predictions import Prediction, Vote, to_line
from quorumsql.forms.read import read
from quorumsql.joins import JoinGraph
from quorumsql.neural.reader import Reader, ReaderTokeniser, stack
from quorumsql.results import same_result
from quorumsql.stages.weigh import load_weights
from quorumsql.train.ground import Ground
from quorumsql.train.lessons import lessons_of_run, load_lessons, make_lessons, merged
from quorumsql.train.losses import LOSSES, ensemble
from quorumsql.train.model import Ensemble, Shape
from quorumsql.train.modify import modify, rewritten
from quorumsql.train.questions import key_of
from quorumsql.train.reader_model import ReaderModel
from quorumsql.train.selector import ReaderPlan, export_reader, train_reader
from quorumsql.train.start_selector import databases_of, fit_selector
from quorumsql.train.weights import DRAWS
from tiny_spider import QUESTIONS, write_spider

TINY = Shape(width=48, heads=4, hidden=64)
pytestmark = pytest.mark.usefixtures("one_thread")
PLAN = ReaderPlan(passes=2, questions=2, candidates=4, warm_up=2, rate=1e-3)


@pytest.fixture
def spider(tmp_path: Path) -> Path:
    return write_spider(tmp_path / "tiny", ("one", "two"), questions=4)


def recorded(folder: Path, database: str, *written: tuple[str, bool]) -> Path:
    """A run of one question about owners, as `quorum eval` records it."""
    folder.mkdir(parents=True, exist_ok=True)
    votes = tuple(
        Vote(generator="m", sql=sql, status="ok", weight=1.0, group=n, correct=right)
        for n, (sql, right) in enumerate(written)
    )
    prediction = Prediction(
        index=1, db_id=database, question="List the names of all owners", sql=written[0][0],
        confidence=0.5, abstained=False, correct=written[0][1], status="ok", candidates=votes,
    )  # fmt: skip
    (folder / "predictions.jsonl").write_text(to_line(prediction), encoding="utf-8")
    return folder


def test_modifications_are_sql_that_runs(spider: Path) -> None:
    database = open_database(str(spider / "database" / "one" / "one.sqlite"))
    schema = database.schema()
    ground = Ground(
        schema=schema,
        graph=JoinGraph(schema),
        values=lambda ref: database.values(ref.table, ref.column, limit=5),
    )
    for gold in list(QUESTIONS.values())[:4]:
        found = modify(read(gold, schema), ground, random.Random(gold), count=12)
        assert len(set(found)) == len(found) >= 4
        assert found == modify(read(gold, schema), ground, random.Random(gold), count=12)
        failed = [sql for sql in found if isinstance(database.execute(sql), Failure)]
        assert len(failed) <= len(found) // 4, failed
    database.close()


def test_lessons_have_right_and_wrong_candidates_and_go_on(spider: Path, tmp_path: Path) -> None:
    path = tmp_path / "lessons.jsonl"
    make_lessons(spider, ("train.json",), path)
    whole = path.read_text(encoding="utf-8")
    lessons = list(load_lessons(path))
    assert [one.key for one in lessons] == [f"train.json{n}" for n in range(8)]
    assert all(one.candidates[0].right for one in lessons)
    assert all({c.right for c in one.candidates} == {True, False} for one in lessons)
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")  # cut inside a line
    make_lessons(spider, ("train.json",), path)
    again = {one.key: one for one in load_lessons(path)}
    assert again == {one.key: one for one in lessons}


def test_our_own_questions_are_lessons_too_as_many_as_wanted(spider: Path, tmp_path: Path) -> None:
    rows = json.loads((spider / "train.json").read_text(encoding="utf-8"))
    key = key_of("one", rows[0]["query"])
    written = tmp_path / "questions.tsv"
    written.write_text(
        f"one\tWho keeps animals?\t{key}\none\tHow many are kept?\tSELECT count(*) FROM pet\n"
        "two\tAnything at all?\tSELECT name FROM owner\nelsewhere\tWhat?\tSELECT 1\n",
        encoding="utf-8",
    )
    found = {}
    for most in (0, 1, 9):
        path = tmp_path / f"{most}.jsonl"
        make_lessons(spider, ("train.json",), path, own=most, written=written)
        found[most] = [one for one in load_lessons(path) if one.key.startswith("own")]
    assert [len(own) for own in found.values()] == [0, 2, 3]
    assert {one.question for one in found[1]} < {one.question for one in found[9]}
    reworded = next(one for one in found[9] if one.question == "Who keeps animals?")
    plain = next(iter(load_lessons(tmp_path / "0.jsonl")))
    assert reworded.candidates[0].sql == plain.candidates[0].sql


def test_a_pass_may_read_a_share_of_the_lessons(
    spider: Path, tmp_path: Path, tokenizer: Path
) -> None:
    path = make_lessons(spider, ("train.json",), tmp_path / "lessons.jsonl")
    lessons, events = list(load_lessons(path)), list[dict[str, Any]]()
    train_reader(
        lessons, (), tmp_path / "out", replace(PLAN, share=0.5), start=None,
        tokeniser=ReaderTokeniser(tokenizer), shape=TINY, report=events.append,
    )  # fmt: skip
    assert events[0]["steps"] == PLAN.passes * len(lessons) // 2 // PLAN.questions


def test_what_members_wrote_for_is_read_whatever_the_share(
    spider: Path, tmp_path: Path, tokenizer: Path
) -> None:
    path = make_lessons(spider, ("train.json",), tmp_path / "lessons.jsonl")
    lessons = [replace(one, written=place < 4) for place, one in enumerate(load_lessons(path))]
    events = list[dict[str, Any]]()
    train_reader(
        lessons, (), tmp_path / "out", replace(PLAN, share=0.5, passes=1), start=None,
        tokeniser=ReaderTokeniser(tokenizer), shape=TINY, report=events.append,
    )  # fmt: skip
    assert events[0]["steps"] == (4 + 2) // PLAN.questions


def test_no_candidate_shows_by_its_hand_that_it_is_gold(spider: Path, tmp_path: Path) -> None:
    """Whoever wrote it, the same query reads the same; else the reader learns the hand."""
    questions = spider / "train.json"
    rows = json.loads(questions.read_text(encoding="utf-8"))
    path = make_lessons(spider, ("train.json",), tmp_path / "plain.jsonl")
    shouted = [
        {**row, "query": row["query"].replace("name", "NAME").replace("owner.id", "OWNER.Id")}
        for row in rows
    ]
    questions.write_text(json.dumps(shouted), encoding="utf-8")
    again = make_lessons(spider, ("train.json",), tmp_path / "shouted.jsonl")
    for one, other in zip(load_lessons(path), load_lessons(again), strict=True):
        assert [c.sql for c in one.candidates] == [c.sql for c in other.candidates]


def test_the_reader_starts_from_the_trunk_of_members() -> None:
    members = Ensemble(replace(TINY, shared_layers=6), ("columns",))
    reader = ReaderModel(TINY)
    reader.load_start(members.state_dict())
    own, trunk = reader.state_dict(), members.trunk.state_dict()
    shared = own.keys() & trunk.keys()
    assert {"words.weight", "layers.0.query.weight", "layers.5.down.weight"} <= shared
    assert all(torch.equal(own[name], trunk[name]) for name in shared)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_lifts_what_is_right_and_lowers_what_is_wrong(name: str) -> None:
    torch.manual_seed(3)
    scores = torch.randn(4, 7, requires_grad=True)
    right = torch.tensor([True, False, False, False, True, True, False])
    LOSSES[name](scores, right, [3, 4]).backward()
    assert scores.grad is not None
    falls = scores.grad.sum(0)
    assert (falls[right] < 0).all() and (falls[~right] > 0).all()


def test_random_losses_are_convex() -> None:
    """The steeper, the worse the candidate is scored; no loss is like the one before."""
    torch.manual_seed(3)
    margins = torch.linspace(-3, 3, 9)
    right = torch.tensor([True, False] * 4 + [True])
    found = []
    for _ in range(20):
        scores = torch.where(right, margins, -margins)[None].requires_grad_()
        (ensemble(scores, right, [9]) - _second(scores, right)).backward()
        assert scores.grad is not None
        found.append(scores.grad[0].abs())
        assert (found[-1].diff() <= 1e-6).all()
    assert not torch.allclose(found[0], found[1])


def _second(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The half of the loss that is about one question's candidates."""
    return scores.logsumexp(1).mean() - scores.masked_fill(~right, -1e4).logsumexp(1).mean()


def test_frozen_layers_stay_as_they_were(spider: Path, tmp_path: Path, tokenizer: Path) -> None:
    lessons = list(load_lessons(make_lessons(spider, ("train.json",), tmp_path / "l.jsonl")))
    torch.manual_seed(5)
    start = ReaderModel(TINY).state_dict()
    before = {name: tensor.clone() for name, tensor in start.items()}
    weights = train_reader(lessons, lessons, tmp_path / "out", replace(PLAN, frozen_layers=4),
                           start=start, shape=TINY, tokeniser=ReaderTokeniser(tokenizer),
                           report=lambda _: None)  # fmt: skip
    after = torch.load(weights, weights_only=True)["weights"]
    moved = {name for name in after if not torch.equal(after[name], before[name].half())}
    assert moved and all(name.startswith(("layers.4", "layers.5", "pool", "out")) for name in moved)


def test_what_members_wrote_joins_the_lesson(spider: Path, tmp_path: Path) -> None:
    path = make_lessons(spider, ("train.json",), tmp_path / "lessons.jsonl")
    run = recorded(tmp_path / "run", "one", ("SELECT kind FROM pet", False),
                   ("SELECT o.name FROM owner AS o", True))  # fmt: skip
    assert databases_of(run) == {"one"}
    added = list(lessons_of_run(run, [tmp_path, spider / "database"]))
    (lesson,) = [one for one in merged([*load_lessons(path), *added]) if one.key == "train.json1"]
    texts = [c.sql for c in lesson.candidates]
    assert "select kind from pet" in texts and texts.count("select name from owner") == 1
    assert lesson.written and not any(one.written for one in load_lessons(path))
    assert [c.sql for c in lesson.candidates if not c.right] == ["select kind from pet"]
    with pytest.raises(UsageError, match="its database one is in none"):
        list(lessons_of_run(run, [tmp_path]))


def test_a_trained_reader_tells_right_from_wrong(
    spider: Path, tmp_path: Path, tokenizer: Path
) -> None:
    lessons = list(load_lessons(make_lessons(spider, ("train.json",), tmp_path / "l.jsonl")))
    learn = [one for one in lessons if one.database == "one"]
    events: list[dict[str, Any]] = []
    plan = ReaderPlan(passes=30, questions=4, candidates=6, warm_up=5, rate=2e-3, average=0.9)
    weights = train_reader(learn, learn, tmp_path / "out", plan, start=None, shape=TINY,
                           tokeniser=ReaderTokeniser(tokenizer), report=events.append)  # fmt: skip
    passes = [e["right"] for e in events if e["event"] == "pass"]
    assert passes[-1] >= 0.75 > 0.5
    folder = tmp_path / "weights"
    folder.mkdir()
    export_reader(weights, folder / "reader.onnx")
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    database = open_database(str(spider / "database" / "one" / "one.sqlite"))
    texts = ["SELECT name FROM owner", "SELECT name FROM owner", "SELEC", "SELECT age FROM owner"]
    pool = [
        Candidate(generator=str(n), attempts=(Attempt(sql=s, execution=database.execute(s)),))
        for n, s in enumerate(texts)
    ]
    question = Question(text="List the names of all owners")
    scores = Reader(folder / "reader.onnx").score(question, pool, database.schema())
    assert scores[0] == scores[1] > scores[3] and scores[2] == float("-inf")
    database.close()
    run = recorded(tmp_path / "fit", "two", ("SELECT age FROM owner", False),
                   ("SELECT name FROM owner", True))  # fmt: skip
    assert fit_selector(folder, run, spider) == {"own": 1, "alone": 1, "foreign": DRAWS}
    for kind, reads in (("members", True), ("signs", False), ("pool", True)):
        assert load_weights(folder / f"weigh_{kind}.json").read == reads


def test_an_interrupted_training_ends_with_the_same_weights(
    spider: Path, tmp_path: Path, tokenizer: Path
) -> None:
    lessons = list(load_lessons(make_lessons(spider, ("train.json",), tmp_path / "l.jsonl")))

    def run(name: str, stop_at: int | None = None) -> Any:
        def report(event: dict[str, Any]) -> None:
            if stop_at is not None and event.get("step") == stop_at:
                raise KeyboardInterrupt

        path = train_reader(
            lessons, lessons[:2], tmp_path / name, PLAN, start=None, shape=TINY,
            tokeniser=ReaderTokeniser(tokenizer), report=report, checkpoint_seconds=0.0,
        )  # fmt: skip
        return torch.load(path, weights_only=True)["weights"]

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", stop_at=3)
    resumed = run("cut")
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    with pytest.raises(UsageError, match="another plan"):
        train_reader(lessons, [], tmp_path / "cut", ReaderPlan(passes=3), start=None, shape=TINY,
                     tokeniser=ReaderTokeniser(tokenizer), report=lambda _: None)  # fmt: skip


def test_pages_mark_words_that_both_sides_share(tokenizer: Path) -> None:
    reads = ReaderTokeniser(tokenizer)
    result = "1 columns, 2 rows | ann"
    page = reads.page("Which owners?", "select name from owner", result, "owner: age")
    assert page.match.sum() == 3  # owners, owner, and the owner whose age is left out
    assert sorted(set(page.part.tolist())) == [0, 1, 2, 3]
    ids, part, match, mask = stack([page, page], multiple=16)
    assert ids.shape == part.shape == match.shape == mask.shape and ids.shape[1] % 16 == 0
    assert mask.sum() == 2 * len(page.ids)


def test_missing_weights_and_runs_are_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No weights"):
        Reader(tmp_path / "reader.onnx")
    (tmp_path / "reader.onnx").write_bytes(b"no graph")
    rows = Rows(columns=("a",), rows=((1,),))
    pool = [Candidate(generator="a", attempts=(Attempt(sql="SELECT 1", execution=rows),))]
    with pytest.raises(ModelError, match="cannot be loaded"):
        Reader(tmp_path / "reader.onnx").score(Question(text="One?"), pool, Schema(name="x"))
    done = quorum("train", "selector", "--out", str(tmp_path / "out"), "--data", str(tmp_path),
                  "--run", str(tmp_path / "absent"))  # fmt: skip
    assert done.returncode == 2 and "predictions.jsonl" in done.stderr


def test_one_query_is_written_in_several_styles(spider: Path) -> None:
    database = open_database(str(spider / "database" / "one" / "one.sqlite"))
    schema = database.schema()
    ground = Ground(schema=schema, graph=JoinGraph(schema), values=lambda _: ())
    styles = {
        "SELECT o.name FROM owner o JOIN pet p ON p.owner_id = o.id WHERE p.kind = 'Dog'":
            "SELECT name FROM owner WHERE id IN (SELECT owner_id FROM pet WHERE kind = 'Dog')",
        "SELECT name FROM owner ORDER BY age DESC LIMIT 1":
            "SELECT name FROM owner WHERE age = (SELECT MAX(age) FROM owner)",
        "SELECT count(*) FROM pet": "SELECT COUNT(id) FROM pet",
        "SELECT id FROM owner EXCEPT SELECT owner_id FROM pet":
            "SELECT DISTINCT id FROM owner WHERE id NOT IN (SELECT owner_id FROM pet)",
        "SELECT id FROM owner WHERE id NOT IN (SELECT owner_id FROM pet)":
            "SELECT id FROM owner EXCEPT SELECT owner_id FROM pet",
    }  # fmt: skip
    for sql, other in styles.items():
        found = rewritten(read(sql, schema), ground)
        assert other in found, found
        gold = database.execute(sql)
        assert isinstance(gold, Rows)
        for one in found:
            same = database.execute(one)
            assert isinstance(same, Rows) and same_result(same, gold), one
    assert len(rewritten(read("SELECT name FROM owner WHERE age > 30", schema), ground)) == 1
    database.close()
