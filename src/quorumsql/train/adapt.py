"""Fine-tune the shipped members on synthetic questions about one database, in minutes.

After GAZP (Zhong et al. 2020, EMNLP, section 3: synthesise questions in the new environment, keep
those that run) and WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903, section 3: the weights that
are kept lie between those before and those after, which keeps what was known before). The trunk
stays as it is; each member's own encoder layer and its decoder learn. A share of the questions is
never learned from: it ends the training when it stops to help, and weights that write fewer of its
statements than those before are not kept.

What is not covered: real questions. Nothing here knows how people ask; the share that is right
beforehand and afterwards is one of synthetic questions, and promises nothing about others.
"""

from __future__ import annotations

import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quorumsql.adapted import ADAPTED, CHECKPOINT, fingerprint
from quorumsql.errors import UsageError
from quorumsql.forms.grammar import Grammar
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.ports import Database, ValueIndex
from quorumsql.shipped import FOLDER
from quorumsql.train.adapt_questions import apart, make_questions, readable_schema
from quorumsql.train.checkpoint import optimizer_for
from quorumsql.train.data import Blur, Example, collate, trim
from quorumsql.train.embedded import exact_share, losses_of
from quorumsql.train.export import export_model
from quorumsql.train.model import Ensemble, Shape
from quorumsql.train.restore import load_shipped

__all__ = ["Adaptation", "Adapted", "adapt"]

WIDE = 300
"""Word pieces of a schema that members are checked on: about a hundred columns."""
ENOUGH = 40
"""Fewer questions teach nothing, and check nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """How to adapt. `minutes` are for everything; `steps` ends training earlier.

    `blend` is how far the kept weights lie on the way from those before to those after; they are
    kept where the mean share of checked statements that is right grows by more than `gain`.
    """

    minutes: float = 15.0
    questions: int = 4_000
    checked: int = 128
    batch: int = 32
    encoder_rate: float = 1e-4
    decoder_rate: float = 3e-4
    decay: float = 0.01
    average: float = 0.99
    blend: float = 0.5
    masked: float = 0.1
    blind: float = 0.15
    budgets: tuple[int, ...] = (56, 120)
    warm_up: int = 20
    checks: int = 6
    gain: float = 0.0
    steps: int | None = None
    seed: int = 7

    def __post_init__(self) -> None:
        """Refuse a time that never ends."""
        if not 0 < self.minutes < math.inf:
            raise UsageError(f"{self.minutes} minutes make no sense: give more than 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """What came of adapting.

    `questions` were learned from, `checked` not. `before` and `after` are shares of the checked
    statements that each member writes exactly. `folder` is None where that got no better: then
    nothing is kept.
    """

    questions: int
    checked: int
    steps: int
    seconds: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    folder: Path | None


@dataclass(slots=True)
class _Run:
    """A training under way. `spent` are seconds, of earlier parts too."""

    model: Ensemble
    average: Ensemble
    base: dict[str, Tensor]
    stamp: str
    optimizer: torch.optim.Optimizer
    checkpoint: Path
    began: float
    spent: float = 0.0
    step: int = 0

    @property
    def seconds(self) -> float:
        """How long this adaptation has taken, with its earlier parts."""
        return self.spent + time.monotonic() - self.began


def adapt(
    database: Database,
    index: ValueIndex,
    home: Path,
    plan: Adaptation,
    *,
    unread: Sequence[str] = (),
    shipped: Path = FOLDER,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Adapted:
    """Adapt the members in `shipped` to `database`; write them to its folder `home`.

    What an interrupted adaptation has learned is kept, and the next one goes on from it, with the
    time that was left.

    Args:
        database: is only read.
        index: of its values.
        home: folder of what is known about the database; `home`/members is replaced.
        plan: sizes and rates.
        unread: patterns of "table.column" that no question may be about.
        shipped: what to start from.
        report: is told what happens, for a progress bar; no event holds a question or a value.

    Raises:
        UsageError: hardly a question can be made about this database, or `home` cannot be written.
        ModelError: the weights in `shipped` cannot be read.
    """
    run, record = _begin(shipped, home, plan)
    tokeniser = Tokeniser(shipped / "tokenizer.json")
    schema = readable_schema(database.schema(), unread)
    made = make_questions(
        *(database, schema, index, tokeniser),
        count=plan.questions, seed=plan.seed, seconds=plan.minutes * 60 / 4,
        watch=lambda n: report({"event": "questions", "made": n, "of": plan.questions}),
    )  # fmt: skip
    if len(made) < ENOUGH:
        raise UsageError(
            f"Only {len(made)} questions could be made about {database.name}, too few to learn "
            "from: its tables are empty, or their names are no words."
        )
    check, learn = apart(made, min(plan.checked, len(made) // 4))
    check = [_narrowed(example, plan.seed) for example in check]
    grammars = {form: Grammar(form) for form in record["forms"]}
    before = exact_share(run.model, check, tokeniser, grammars, "cpu")
    report({"event": "check", "exact": before})
    try:
        _learn(run, learn, check, plan, tokeniser, grammars, report)
    except KeyboardInterrupt:
        _save(run)
        raise
    run.average.eval()
    after = exact_share(run.average, check, tokeniser, grammars, "cpu")
    report({"event": "check", "exact": after})
    result = Adapted(
        questions=len(learn), checked=len(check), steps=run.step, seconds=run.seconds,
        before=before, after=after, folder=None,
    )  # fmt: skip
    if sum(after.values()) > sum(before.values()) + plan.gain * len(after):
        _save(run)
        report({"event": "export"})
        result = replace(result, folder=_keep(run, record, result, shipped, home))
    run.checkpoint.unlink(missing_ok=True)
    return replace(result, seconds=run.seconds)


def _narrowed(example: Example, seed: int) -> Example:
    """The example with what a filter would leave of a large schema, its own columns among it."""
    whole = sum(len(column.ids) + 1 for _, own in example.pieces.tables for column in own)
    if whole <= WIDE:
        return example
    rng = random.Random(f"{seed}-{example.question}")
    return replace(example, pieces=trim(example, rng, budget=WIDE))


def _begin(shipped: Path, home: Path, plan: Adaptation) -> tuple[_Run, dict[str, Any]]:
    """The shipped members, or what an interrupted adaptation made of them."""
    began = time.monotonic()
    torch.manual_seed(plan.seed)
    base, record = load_shipped(shipped)
    model, average = (Ensemble(Shape(**record["shape"]), record["forms"]) for _ in range(2))
    for each in (model, average):
        each.load_state_dict(base)
    model.trunk.requires_grad_(False)
    average.requires_grad_(False)
    top = [p for n, p in model.members.named_parameters() if ".top." in n]
    rest = [p for n, p in model.members.named_parameters() if ".top." not in n]
    groups = [(top, plan.encoder_rate), (rest, plan.decoder_rate)]
    optimizer = optimizer_for(groups, decay=plan.decay)
    stamp = fingerprint(shipped)
    run = _Run(model, average, base, stamp, optimizer, home / CHECKPOINT, began)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"{home} cannot be written: {error.strerror}.") from error
    _resume(run)
    return run, record


def _learn(
    run: _Run,
    learn: Sequence[Example],
    check: Sequence[Example],
    plan: Adaptation,
    tokeniser: Tokeniser,
    grammars: Mapping[str, Grammar],
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Train until the time is over, the steps are done, or the checked share falls twice."""
    first, end = run.seconds, _end(plan)
    every = max((end - first) / plan.checks, 1.0)
    best, worse, checked = 0.0, 0, first
    for rows in _batches(len(learn), plan, run.step):
        share = max((run.seconds - first) / max(end - first, 1e-9), run.step / (plan.steps or 1e9))
        if share >= 1.0:
            return
        batch = [learn[row] for row in rows]
        losses = _step(run, batch, share, plan, tokeniser, grammars)
        report({"event": "step", "step": run.step, "share": share, **losses})
        if run.seconds - checked > every:
            checked = run.seconds
            _save(run)
            found = exact_share(run.average, check, tokeniser, grammars, "cpu")
            report({"event": "check", "exact": found})
            worse = worse + 1 if sum(found.values()) < best else 0
            best = max(best, sum(found.values()))
            if worse == 2:
                return


def _end(plan: Adaptation) -> float:
    """Seconds after which training ends, so that there is time to check and to export."""
    whole = plan.minutes * 60
    return whole - min(max(0.1 * whole, 40.0), 0.4 * whole)


def _batches(count: int, plan: Adaptation, step: int) -> Iterator[list[int]]:
    """Endless batches of row numbers, pass after pass; `step` seeds where a run goes on."""
    number = 0
    while True:
        rows = list(range(count))
        random.Random(f"{plan.seed}-{step}-{number}").shuffle(rows)
        yield from (rows[i : i + plan.batch] for i in range(0, count, plan.batch))
        number += 1


def _step(
    run: _Run,
    examples: Sequence[Example],
    share: float,
    plan: Adaptation,
    tokeniser: Tokeniser,
    grammars: Mapping[str, Grammar],
) -> dict[str, float]:
    rng = random.Random(f"{plan.seed}-{run.step}")
    pieces = [trim(example, rng, budget=rng.choice(plan.budgets)) for example in examples]
    blur = Blur(rng, masked=plan.masked, blind=plan.blind)
    batch = collate(examples, pieces, tokeniser, grammars, blur)
    run.model.train()
    run.model.trunk.eval()
    factor = min(1.0, (run.step + 1) / plan.warm_up) * max(0.05, 1 - share)
    for group in run.optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    losses = dict(losses_of(run.model, batch, "cpu"))
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    nn.utils.clip_grad_norm_(run.model.members.parameters(), 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    run.step += 1
    pace = 1 - min(plan.average, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for name, kept in run.average.members.named_parameters():
            # The average is taken around what is kept: `blend` of the way from base to model.
            own = run.model.members.get_parameter(name)
            start = run.base[f"members.{name}"]
            kept.lerp_(torch.lerp(start, own, plan.blend), pace)
    found = {name: round(loss.item(), 4) for name, loss in losses.items()}
    if not all(map(math.isfinite, found.values())):
        raise UsageError(f"Adapting diverged at step {run.step}: nothing was kept.")
    return found


def _keep(run: _Run, record: Mapping[str, Any], result: Adapted, shipped: Path, home: Path) -> Path:
    """Export beside the place, then take the place in one step."""
    part, folder = home / f"{ADAPTED}.part", home / ADAPTED
    shutil.rmtree(part, ignore_errors=True)
    note = {key: value for key, value in asdict(result).items() if key != "folder"}
    export_model(
        *(run.average, record, part),
        tokenizer=shipped / "tokenizer.json",
        trunk=shipped / "trunk.onnx",
        notes={"adapted": {"base": run.stamp, **note}},
    )
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    return folder


def _save(run: _Run) -> None:
    part = run.checkpoint.with_suffix(".part")
    torch.save(
        {
            "stamp": run.stamp,
            "seconds": run.seconds,
            "step": run.step,
            "model": {n: t.half() for n, t in run.model.members.state_dict().items()},
            "average": {n: t.half() for n, t in run.average.members.state_dict().items()},
        },
        part,
    )
    part.replace(run.checkpoint)


def _resume(run: _Run) -> None:
    """Go on from the checkpoint of an interrupted adaptation of the same weights."""
    if not run.checkpoint.is_file():
        return
    saved = torch.load(run.checkpoint, weights_only=True)
    if saved["stamp"] != run.stamp:
        return
    run.model.members.load_state_dict({n: t.float() for n, t in saved["model"].items()})
    run.average.members.load_state_dict({n: t.float() for n, t in saved["average"].items()})
    run.spent, run.step = saved["seconds"], saved["step"]
