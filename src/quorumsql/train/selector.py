"""Train the reader: which of several candidates answers the question?

Each step shows some questions with up to `candidates` of theirs, at least one of them right.

What is not covered: making candidates; `train.lessons` does that from gold queries.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quorumsql.errors import UsageError
from quorumsql.neural.reader import Page, ReaderTokeniser, stack
from quorumsql.train.blur import Blur
from quorumsql.train.checkpoint import Run, optimizer_for
from quorumsql.train.lessons import Exhibit, Lesson
from quorumsql.train.losses import LOSSES
from quorumsql.train.model import Shape
from quorumsql.train.reader_model import ReaderModel

__all__ = ["ReaderPlan", "export_reader", "train_reader"]


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """How to train the reader.

    How the run of the shipped weights differed stands in docs/experiments.md.
    """

    passes: int = 2
    share: float = 1.0
    """Share of the questions that each pass reads, drawn anew for each (RS2, arXiv 2305.18424).

    Those that members wrote for are rare, and all of them are read.
    """
    questions: int = 8
    candidates: int = 8
    rate: float = 1e-4
    new_rate: float = 5e-4
    warm_up: int = 100
    decay: float = 0.01
    average: float = 0.995
    masked: float = 0.1
    """Share of a question's word pieces that training hides."""
    renamed: float = 0.3
    """Share of questions whose candidates are read with other words in their names."""
    frozen_layers: int = 0
    """First layers that stay as they were, which saves a third of the time of a short training."""
    loss: str = "samples"
    """One of `losses.LOSSES`."""
    seed: int = 11


def train_reader(
    lessons: Sequence[Lesson],
    checks: Sequence[Lesson],
    out: Path,
    plan: ReaderPlan,
    *,
    start: dict[str, Tensor] | None,
    tokeniser: ReaderTokeniser,
    shape: Shape | None = None,
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None],
    checkpoint_seconds: float = 300.0,
) -> Path:
    """Train on `lessons`; return the path of the averaged weights in `out`.

    Args:
        lessons: questions with candidates, some right and some wrong.
        checks: questions of databases that no lesson is about; accuracy is reported on them.
        out: folder of checkpoint and weights; a checkpoint of the same plan is continued.
        plan: passes, sizes and rates.
        start: weights of members, whose trunk the reader starts from, or those of a reader;
            without them, training starts from noise.
        tokeniser: makes pages.
        shape: sizes; those of MiniLM-L6 by default.
        device: of torch.
        report: receives events.
        checkpoint_seconds: time between checkpoints.

    Raises:
        UsageError: there is nothing to learn from, or the checkpoint has another plan.
    """
    useful = [one for one in lessons if len({c.right for c in one.candidates}) == 2]
    if not useful:
        raise UsageError("No question has right and wrong candidates: nothing to learn from.")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    model = ReaderModel(shape or Shape()).to(device)
    if start is not None:
        model.load_start(start)
        model.freeze(plan.frozen_layers)
    average = ReaderModel(shape or Shape()).to(device)
    average.load_state_dict(model.state_dict())
    run = Run(model=model, average=average, optimizer=_optimizer(model, plan))
    per_pass = math.ceil(len(_rows(useful, 0, plan)) / plan.questions)
    total = per_pass * plan.passes
    checkpoint = out / "reader_checkpoint.pt"
    run.resume(checkpoint, asdict(plan), device=device)
    report({"event": "start", "questions": len(useful), "steps": total, "resumed_at": run.step})
    saved, blur = time.monotonic(), Blur(plan.masked, plan.renamed)
    while run.step < total:
        number, place = divmod(run.step, per_pass)
        rows = _rows(useful, number, plan)[place * plan.questions : (place + 1) * plan.questions]
        loss = _step(run, [useful[r] for r in rows], total, plan, tokeniser, blur, device)
        run.step += 1
        if run.step == total or time.monotonic() - saved > checkpoint_seconds:
            run.save(checkpoint, asdict(plan))
            saved = time.monotonic()
        report({"event": "step", "step": run.step, "of": total, "loss": loss})
        if run.step % per_pass == 0:
            report({"event": "pass", "right": first_right(average, checks, tokeniser, device)})
    weights = out / "reader.pt"
    halves = {name: tensor.half() for name, tensor in average.state_dict().items()}
    torch.save(
        {"shape": asdict(shape or Shape()), "plan": asdict(plan), "weights": halves}, weights
    )
    return weights


def _optimizer(model: ReaderModel, plan: ReaderPlan) -> torch.optim.Optimizer:
    new = ("pool", "out", "part", "match")
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    known = [p for n, p in named if n.split(".")[0] not in new]
    fresh = [p for n, p in named if n.split(".")[0] in new]
    return optimizer_for(((known, plan.rate), (fresh, plan.new_rate)), decay=plan.decay)


def _rows(lessons: Sequence[Lesson], number: int, plan: ReaderPlan) -> list[int]:
    """Which lessons a pass reads, in which order."""
    rng = random.Random(f"{plan.seed}-{number}")
    others = [row for row, one in enumerate(lessons) if not one.written]
    rng.shuffle(others)
    rows = [row for row, one in enumerate(lessons) if one.written]
    rows += others[: math.ceil(plan.share * len(others))]
    rng.shuffle(rows)
    return rows


def _step(
    run: Run[ReaderModel],
    lessons: Sequence[Lesson],
    total: int,
    plan: ReaderPlan,
    tokeniser: ReaderTokeniser,
    blur: Blur,
    device: str,
) -> float:
    run.begin(seed=plan.seed, total=total, warm_up=plan.warm_up)
    rng = random.Random(f"{plan.seed}-step-{run.step}")
    shown = [drawn(one, rng, plan.candidates) for one in lessons]
    pages = [
        page
        for own, _ in shown
        for page in blur.hidden(list(_pages(blur.renamed(own, rng), tokeniser)), rng)
    ]
    right = [flag for _, flags in shown for flag in flags]
    scores = _scores(run.model, pages, device)
    sizes = [len(flags) for _, flags in shown]
    loss = LOSSES[plan.loss](scores, torch.tensor(right, device=device), sizes)
    run.learn(loss, average=plan.average)
    return round(loss.item(), 4)


def drawn(
    lesson: Lesson, rng: random.Random, most: int
) -> tuple[list[tuple[str, ...]], list[bool]]:
    """Return up to `most` candidates of a lesson as texts, one or two of them right."""
    right = [c for c in lesson.candidates if c.right]
    wrong = [c for c in lesson.candidates if not c.right]
    rng.shuffle(right)
    rng.shuffle(wrong)
    own = right[: rng.choice((1, 1, 2))]
    own += wrong[: most - len(own)]
    return [_texts(lesson, c) for c in own], [c.right for c in own]


def _texts(lesson: Lesson, shown: Exhibit) -> tuple[str, ...]:
    return (lesson.question, shown.sql, shown.result, shown.left_out)


def _pages(texts: Sequence[tuple[str, ...]], tokeniser: ReaderTokeniser) -> Iterator[Page]:
    return (tokeniser.page(*text) for text in texts)


def _scores(model: ReaderModel, pages: Sequence[Page], device: str) -> Tensor:
    """Scores of `pages` in their order, (B,) or (samples, B); like lengths are read together."""
    order = sorted(range(len(pages)), key=lambda i: len(pages[i].ids))
    size = max(1, -(-len(order) // 2))
    found: list[Tensor] = []
    halves = device != "cpu" or torch.cpu._is_avx512_bf16_supported()
    with torch.autocast(device, dtype=torch.bfloat16, enabled=halves):
        for first in range(0, len(order), size):
            part = [pages[i] for i in order[first : first + size]]
            arrays = (torch.from_numpy(x).to(device) for x in stack(part, multiple=16))
            found.append(model(*arrays).float())
    back = torch.tensor(order, device=device).argsort()
    return torch.cat(found, dim=-1)[..., back]


def first_right(
    model: ReaderModel, lessons: Sequence[Lesson], tokeniser: ReaderTokeniser, device: str = "cpu"
) -> float:
    """Share of `lessons` whose best-scored candidate is right."""
    model.eval()
    won = 0
    with torch.inference_mode():
        for lesson in lessons:
            texts = [_texts(lesson, c) for c in lesson.candidates]
            scores = _scores(model, list(_pages(texts, tokeniser)), device)
            won += lesson.candidates[int(scores.argmax())].right
    return round(won / max(len(lessons), 1), 4)


def export_reader(weights: Path, path: Path) -> None:
    """Write the graph of `weights` with 8-bit weights: ids, part, match, mask (B, T) → score."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    saved = torch.load(weights, map_location="cpu", weights_only=True)
    layers = len({n.split(".")[1] for n in saved["weights"] if n.startswith("layers.")})
    model = ReaderModel(Shape(**saved["shape"]), layers)
    model.load_state_dict({name: tensor.float() for name, tensor in saved["weights"].items()})
    model.eval()
    names = ("ids", "part", "match", "mask")
    inputs = tuple(torch.ones(2, 24, dtype=torch.long) for _ in names)
    axes = {name: {0: "B", 1: "T"} for name in names} | {"score": {0: "B"}}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of shapes that `axes` declares
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            model, inputs, str(plain), input_names=list(names), output_names=["score"],
            dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
        quantize_dynamic(
            plain, path, weight_type=QuantType.QInt8, per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        )  # fmt: skip
