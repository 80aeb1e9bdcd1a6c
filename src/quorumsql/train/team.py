"""Processes that train one model together, as `torchrun` starts them.

Each reads its share of every batch, and all go down from the mean of their gradients, so that their
weights stay equal. The first process alone writes and reports. Without `torchrun` there is one.

What is not covered: models that do not fit on one device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn

__all__ = ["Team", "team_of"]

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Team:
    """Which of `size` processes this is, counted from 0."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def share(self, rows: Sequence[_Row]) -> Sequence[_Row]:
        """Return this process's part of a batch; of a batch that is too small, its first row."""
        return rows[self.rank :: self.size] or rows[:1]

    def agree(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over all processes."""
        if self.size == 1:
            return
        learning = [one for one in parameters if one.requires_grad]
        for one in learning:
            if one.grad is None:
                one.grad = torch.zeros_like(one)
        whole = torch.cat([one.grad.flatten() for one in learning if one.grad is not None])
        distributed.all_reduce(whole)
        whole /= self.size
        parts = whole.split([one.numel() for one in learning])
        for one, part in zip(learning, parts, strict=True):
            one.grad = part.view_as(one)


@contextmanager
def team_of(device: str) -> Iterator[Team]:
    """Yield the team that `torchrun` started; on "cuda" each process has a GPU of its own."""
    if not distributed.is_torchelastic_launched():
        yield Team()
        return
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        if device == "cuda":
            torch.cuda.set_device(distributed.get_node_local_rank())
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
