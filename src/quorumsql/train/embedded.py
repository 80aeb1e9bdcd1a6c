"""Train the embedded members together: one trunk, one loss per form, resumable.

Each pass reads every question once, at most `per_database` of a database, with its schema
shuffled and trimmed anew, and between them synthetic questions: all of the plan's in the first
pass, ever fewer, none in the last. What the package ships is the moving average of the weights.

What is not covered: models that do not fit on one device; several processes share batches
(`train.team`).
"""

from __future__ import annotations

import math
import random
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from quorumsql.errors import UsageError
from quorumsql.forms.grammar import KEYWORDS, Grammar
from quorumsql.forms.linear import FORMS
from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.tokenise import SchemaPieces, Tokeniser
from quorumsql.train.checkpoint import Run, optimizer_for
from quorumsql.train.data import (
    Batch,
    Blur,
    Example,
    Steps,
    collate,
    fold_of,
    held_out,
    load_examples,
    trim,
)
from quorumsql.train.invented import DATABASES
from quorumsql.train.model import Ensemble, Member, Shape
from quorumsql.train.questions import QUESTIONS
from quorumsql.train.rename import OtherWords, Renamer
from quorumsql.train.team import Team

__all__ = ["Plan", "exact_share", "losses_of", "train"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. The defaults are those of the shipped weights.

    How their run differed from a fresh one stands in docs/experiments.md.
    """

    passes: int = 6
    batch: int = 32
    budget: int = 56
    wide_budget: int = 120
    wide_share: float = 0.2
    per_database: int = 200
    share: float = 1.0
    """Share of the questions that a pass reads; the next one reads others, until all were read
    (RS2, Okanovic et al. 2024, arXiv 2305.18424): more passes on a small budget."""
    held_out: float = 0.08
    fold: int | None = None
    """0 or 1: learn from that half of the databases only, to answer about the other."""
    masked: float = 0.1
    """Share of a question's word pieces, outside values, that training hides."""
    blind: float = 0.15
    """Share of questions that are read without knowing which names their words match."""
    renamed: float = 0.35
    """Share of questions whose schema is read with other words in its names (`train.rename`)."""
    said: float = 0.5
    """Share of the rest whose schema is read in the question's words, as it is in use (`synonyms`).
    Never all: other databases have words that the thesaurus does not know."""
    own: bool = True
    """Whether to learn from our own questions as well (`train.questions`)."""
    invented: bool = True
    """Whether to learn from invented databases as well (`train.invented`)."""
    frozen_layers: int = 2
    encoder_rate: float = 1.5e-4
    decoder_rate: float = 6e-4
    warm_up: int = 300
    decay: float = 0.01
    average: float = 0.998
    blend: float = 1.0
    """How far what is kept lies on the way from earlier weights, if training starts from some, to
    those after it (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903, section 3)."""
    seed: int = 7
    synthetic: int = 14_000
    files: tuple[str, ...] = ("train.json", "train_others.json")
    forms: tuple[str, ...] = FORMS


def train(
    data: Path,
    out: Path,
    plan: Plan,
    *,
    start: Mapping[str, Tensor] | None,
    tokeniser: Tokeniser,
    shape: Shape | None = None,
    device: str = "cpu",
    team: Team | None = None,
    report: Callable[[dict[str, Any]], None],
    checkpoint_seconds: float = 300.0,
) -> Path:
    """Train on the Spider folder `data`; return the path of the averaged weights in `out`.

    `start` holds the weights of a MiniLM encoder, or of members trained before; without it,
    training starts from noise.
    A checkpoint in `out` is continued, and ends with the weights that it would have had.
    Of a `team` only the first process writes.

    Raises:
        UsageError: the checkpoint was made with another plan.
    """
    team = team or Team()
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    examples = _examples(data, plan, tokeniser)
    apart = held_out([e for e in examples if not e.own], plan.held_out)
    real = [e for e in examples if e.database not in apart and _in_fold(e.database, plan.fold)]
    if all(example.own for example in real):
        raise UsageError(f"There is nothing to learn from in fold {plan.fold}: too few databases.")
    learn = real + (_synthetic(real, data, tokeniser, plan) if plan.synthetic else [])
    check = [e for e in examples if e.database in apart and not e.own][::2]
    renamer = Renamer(tokeniser, OtherWords(WordMeaning()))
    shape, grammars = shape or Shape(), {form: Grammar(form) for form in plan.forms}
    run = _begin(plan, shape, start, device)
    run.team = team
    checkpoint, weights = out / "checkpoint.pt", out / "members.pt"
    run.resume(checkpoint, asdict(plan), device=device)
    ends = list(accumulate(len(_mixed(learn, len(real), plan, n)) for n in range(plan.passes)))
    total = ends[-1]
    report({"event": "start", "examples": len(real), "own": sum(e.own for e in real),
            "synthetic": len(learn) - len(real), "held_out": sorted(apart), "steps": total,
            "resumed_at": run.step})  # fmt: skip
    saved = time.monotonic()
    while run.step < total:
        number = bisect_right(ends, run.step)
        offset = run.step - (ends[number - 1] if number else 0)
        for rows in _mixed(learn, len(real), plan, number)[offset:]:
            own = team.share(rows)
            batch = _batch(learn, own, run.step, number, plan, renamer, grammars)
            losses = _step(run, batch, plan, total, device)
            run.step += 1
            report({"event": "step", "step": run.step, "of": total, **losses})
            if time.monotonic() - saved > checkpoint_seconds:
                run.save(checkpoint, asdict(plan))
                saved = time.monotonic()
        if not team.leads:
            continue
        run.save(checkpoint, asdict(plan))
        exact = exact_share(run.average, check, tokeniser, grammars, device)
        report({"event": "pass", "pass": number + 1, "exact": exact})
        unseen = {e.database for e in examples} - {e.database for e in real}
        record = {"shape": asdict(shape), "forms": plan.forms, "held_out": sorted(unseen)}
        kept = _blended(run.average, start or {}, plan.blend)
        torch.save({**record, "plan": asdict(plan), "weights": kept}, weights)
    return weights


def _examples(data: Path, plan: Plan, tokeniser: Tokeniser) -> list[Example]:
    return load_examples(
        data,
        plan.files,
        tokeniser,
        own=QUESTIONS if plan.own else None,
        databases=DATABASES if plan.invented else None,
    )


def _batch(
    examples: Sequence[Example],
    rows: Sequence[int],
    step: int,
    number: int,
    plan: Plan,
    renamer: Renamer,
    grammars: Mapping[str, Grammar],
) -> Batch:
    """The batch of `step` in pass `number`: the same whenever training gets there."""
    rng = random.Random(f"{plan.seed}-{step}")
    pieces = [trim(examples[r], rng, budget=_budget(r, number, plan)) for r in rows]
    pieces = [_read(examples[r], p, plan, renamer, rng) for r, p in zip(rows, pieces, strict=True)]
    blur = Blur(rng, masked=plan.masked, blind=plan.blind)
    return collate([examples[r] for r in rows], pieces, renamer.tokeniser, grammars, blur)


def _read(
    example: Example, pieces: SchemaPieces, plan: Plan, renamer: Renamer, rng: random.Random
) -> SchemaPieces:
    """Return `pieces` with the names of somebody else, those of the question, or their own."""
    if rng.random() < plan.renamed:
        return renamer(pieces, example.question, rng)
    if rng.random() < plan.said:
        return renamer.tokeniser.reworded(pieces, example.said)
    return pieces


def _in_fold(database: str, fold: int | None) -> bool:
    return fold is None or fold_of(database) == fold


def _begin(
    plan: Plan, shape: Shape, start: Mapping[str, Tensor] | None, device: str
) -> Run[Ensemble]:
    model = Ensemble(shape, plan.forms)
    if start is not None and "trunk.words.weight" in start:
        # Weights of before relations start without any.
        own = {name: t for name, t in model.state_dict().items() if ".related." in name}
        model.load_state_dict(own | {name: tensor.float() for name, tensor in start.items()})
    elif start is not None:
        model.load_minilm(dict(start))
    if start is not None:
        model.freeze(plan.frozen_layers)
    model.to(device)
    average = Ensemble(shape, plan.forms).to(device)
    average.load_state_dict(model.state_dict())
    average.requires_grad_(False)
    encoder = [p for n, p in model.named_parameters() if p.requires_grad and _is_encoder(n)]
    rest = [p for n, p in model.named_parameters() if p.requires_grad and not _is_encoder(n)]
    groups = ((encoder, plan.encoder_rate), (rest, plan.decoder_rate))
    optimizer = optimizer_for(groups, decay=plan.decay)
    return Run(model=model, average=average, optimizer=optimizer)


def _is_encoder(name: str) -> bool:
    return (name.startswith("trunk.") and "features" not in name) or ".top." in name


def _synthetic(
    real: Sequence[Example], data: Path, tokeniser: Tokeniser, plan: Plan
) -> list[Example]:
    from quorumsql.train.synthetic import synthesise

    theirs = [example for example in real if not example.own]
    return synthesise(theirs, data, tokeniser, count=plan.synthetic, seed=plan.seed)


def _mixed(examples: Sequence[Example], real: int, plan: Plan, number: int) -> list[list[int]]:
    """Batches of pass `number`: the first `real` examples and the synthetic rest, never in one."""
    made = [[real + row for row in rows] for rows in _order(examples[real:], plan, number)]
    made = made[: round(len(made) * (1 - number / max(plan.passes - 1, 1)))]
    batches = _order(examples[:real], plan, number) + made
    if made:
        random.Random(f"{plan.seed}-mix-{number}").shuffle(batches)
    return batches


def _order(examples: Sequence[Example], plan: Plan, number: int) -> list[list[int]]:
    """Batches of indices for pass `number`: capped per database, of similar length."""
    rng = random.Random(f"{plan.seed}-pass-{number}")
    rows = list(range(len(examples)))
    rng.shuffle(rows)
    if plan.share < 1.0:
        rows = _drawn(len(examples), plan, number)
    seen: dict[str, int] = {}
    kept: list[int] = []
    for row in rows:
        database = examples[row].database
        seen[database] = seen.get(database, 0) + 1
        if seen[database] <= plan.per_database:
            kept.append(row)
    batches: list[list[int]] = []
    window = plan.batch * 40

    def length(row: int) -> int:
        example, budget = examples[row], _budget(row, number, plan)
        schema = sum(len(c.ids) + 1 for _, cs in example.pieces.tables for c in cs)
        return len(example.question) // 4 + min(schema, budget)

    for first in range(0, len(kept), window):
        part = sorted(kept[first : first + window], key=length)
        batches += [part[i : i + plan.batch] for i in range(0, len(part), plan.batch)]
    rng.shuffle(batches)
    return batches


def _drawn(count: int, plan: Plan, number: int) -> list[int]:
    """The questions of pass `number` in random order: none comes again before all have come."""
    size = math.ceil(plan.share * count)
    places = range(number * size, (number + 1) * size)
    orders: dict[int, list[int]] = {}
    for cycle in {place // max(count, 1) for place in places}:
        orders[cycle] = list(range(count))
        random.Random(f"{plan.seed}-cycle-{cycle}").shuffle(orders[cycle])
    return list(dict.fromkeys(orders[place // count][place % count] for place in places))


def _budget(row: int, number: int, plan: Plan) -> int:
    """Word pieces of schema that a question may keep in pass `number`: few, sometimes many."""
    wide = random.Random(f"{plan.seed}-{number}-{row}").random() < plan.wide_share
    return plan.wide_budget if wide else plan.budget


def _step(
    run: Run[Ensemble], batch: Batch, plan: Plan, total: int, device: str
) -> dict[str, float]:
    run.begin(seed=plan.seed, total=total, warm_up=plan.warm_up)
    losses = dict(losses_of(run.model, batch, device))
    run.learn(torch.stack(list(losses.values())).sum(), average=plan.average)
    found = {name: round(loss.item(), 4) for name, loss in losses.items()}
    if not all(math.isfinite(v) for v in found.values()):
        raise UsageError(f"Training diverged at step {run.step}: start again with lower rates.")
    return found


def losses_of(model: Ensemble, batch: Batch, device: str) -> Iterator[tuple[str, Tensor]]:
    """Yield each member's loss on `batch`."""
    for form, steps, scores in _scores(model, batch, device):
        yield form, F.cross_entropy(scores.flatten(0, 1), steps.targets.to(device).flatten())


def _scores(model: Ensemble, batch: Batch, device: str) -> Iterator[tuple[str, Steps, Tensor]]:
    mask = torch.where(batch.mask, 0.0, -1e4)[:, None, None, :].to(device)
    items, spans = batch.items.to(device), batch.spans.to(device)
    first_span = len(KEYWORDS) + items.shape[1]
    pairs = batch.pairs.to(device)
    with torch.autocast(device, dtype=torch.bfloat16, enabled=_halves(device)):
        text = (x.to(device) for x in (batch.ids, batch.position, batch.features))
        states = model.trunk(*text, pairs, mask)
        for form, steps in batch.steps.items():
            member = model.members[form]
            assert isinstance(member, Member)
            own, inputs, keys = member.encode(states, pairs, mask, items, spans)
            scores = member(own, mask, inputs, keys, steps.inputs.to(device)).float()
            scores[:, :, first_span:] += member.relation[steps.relation.to(device)]
            yield form, steps, scores.masked_fill(~steps.allowed.to(device), -1e4)


def _halves(device: str) -> bool:
    """Whether 16-bit arithmetic pays: processors without it emulate it, ten times slower."""
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported()


def exact_share(
    model: Ensemble,
    examples: Sequence[Example],
    tokeniser: Tokeniser,
    grammars: Mapping[str, Grammar],
    device: str,
) -> dict[str, float]:
    """Share of `examples` on which greedy decoding would write exactly the right tokens."""
    model.eval()
    right = dict.fromkeys(grammars, 0)
    ordered = sorted(examples, key=lambda e: sum(len(c) for _, c in e.pieces.tables))
    with torch.inference_mode():
        for first in range(0, len(ordered), 16):
            part = ordered[first : first + 16]
            batch = collate(part, [e.pieces for e in part], tokeniser, grammars)
            for form, steps, scores in _scores(model, batch, device):
                wanted = steps.targets.to(device)
                same = (scores.argmax(-1) == wanted) | (wanted == -100)
                right[form] += int(same.all(dim=1).sum())
    return {form: round(count / len(examples), 4) for form, count in right.items()}


def _blended(model: Ensemble, before: Mapping[str, Tensor], blend: float) -> dict[str, Tensor]:
    """The weights of `model`, mixed with what they were before by name, in 16 bits."""
    after = model.state_dict()
    mixed = {
        name: torch.lerp(before[name].to(tensor), tensor, blend) if name in before else tensor
        for name, tensor in after.items()
    }
    return {name: tensor.half() for name, tensor in mixed.items()}
