"""A training that can be stopped: its weights, their moving average, its optimiser and its step.

A step warms the rates up and then lets them fall linearly; the average follows the weights by
`1 - pace`, faster at the start (Polyak and Juditsky, 1992, as an exponential average). A run that
is resumed ends with the weights that it would have had.

What is not covered: a checkpoint of another plan, which is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from quorumsql.errors import UsageError
from quorumsql.train.team import Team

__all__ = ["Run", "optimizer_for"]

_Model = TypeVar("_Model", bound=nn.Module)


def optimizer_for(
    groups: Sequence[tuple[Sequence[nn.Parameter], float]], *, decay: float
) -> torch.optim.Optimizer:
    """Return AdamW for `groups` of parameters, each with its highest rate."""
    given = [{"params": list(params), "lr": peak, "peak": peak} for params, peak in groups]
    return torch.optim.AdamW(given, betas=(0.9, 0.98), weight_decay=decay, fused=True)


@dataclass(slots=True)
class Run(Generic[_Model]):
    """What a checkpoint holds. `average` has the shape of `model`; `step` counts steps done.

    The processes of a `team` have equal weights as long as each takes the same steps.
    """

    model: _Model
    average: _Model
    optimizer: torch.optim.Optimizer
    step: int = 0
    team: Team = field(default_factory=Team)

    def begin(self, *, seed: int, total: int, warm_up: int) -> None:
        """Set what the next of `total` steps depends on: noise and rates, resumed or not."""
        self.model.train()
        torch.manual_seed(seed * 1_000_003 + self.step + self.team.rank * 7_919)
        factor = min(1.0, (self.step + 1) / warm_up) * max(0.02, 1 - self.step / total)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor

    def learn(self, loss: Tensor, *, average: float) -> None:
        """Go down from a scalar `loss`; the average keeps at most the share `average` of itself."""
        torch.autograd.backward(loss)
        self.team.agree(self.model.parameters())
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        pace = min(average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
            moving = [(a, p) for a, p in pairs if p.requires_grad]
            torch._foreach_lerp_([a for a, _ in moving], [p for _, p in moving], 1 - pace)

    def save(self, path: Path, plan: Mapping[str, object]) -> None:
        """Write all of it to `path` in one piece; `plan` is what it was made with."""
        if not self.team.leads:
            return
        state = {
            "plan": json.dumps(plan),
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path, plan: Mapping[str, object], *, device: str) -> None:
        """Go on from the checkpoint at `path`, where there is one.

        Raises:
            UsageError: it was made with another plan.
        """
        if not path.exists():
            return
        saved = torch.load(path, map_location=device, weights_only=True)
        if saved["plan"] != json.dumps(plan):
            raise UsageError(f"{path} was made with another plan: use another --out, or delete it.")
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step = int(saved["step"])
