"""Processes that train together: as torchrun starts them, with gradients that are means."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from quorumsql.train.team import Team, team_of
from tiny_spider import write_spider

SCRIPT = """
import sys
from pathlib import Path

import torch
from torch import nn

from quorumsql.neural.tokenise import Tokeniser
from quorumsql.train.checkpoint import Run
from quorumsql.train.embedded import Plan, train
from quorumsql.train.model import Shape
from quorumsql.train.team import team_of

data, out, tokenizer = map(Path, sys.argv[1:])
torch.set_num_threads(1)
with team_of("cpu") as team:
    torch.manual_seed(3)
    model, average = nn.Linear(3, 1), nn.Linear(3, 1)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    run = Run(model, average, torch.optim.SGD(model.parameters(), lr=0.1), team=team)
    rows = torch.arange(12.0).view(4, 3) / 10
    loss = model(torch.stack(team.share(list(rows)))).square().mean()
    run.learn(loss, average=0.5)
    torch.save({"before": before, "after": model.state_dict()}, out / f"line-{team.rank}.pt")
    events = []
    train(
        data, out / "run",
        Plan(passes=2, batch=4, warm_up=2, synthetic=0, files=("train.json",), invented=False),
        start=None, tokeniser=Tokeniser(tokenizer), team=team,
        shape=Shape(width=48, heads=4, hidden=64, shared_layers=2, decoder_layers=2,
                    decoder_heads=4, decoder_hidden=64),
        report=lambda event: events.append(event) if team.leads else None,
    )
    (out / f"steps-{team.rank}").write_text(str(sum(e["event"] == "step" for e in events)))
"""


def test_alone_everything_is_ours() -> None:
    with team_of("cpu") as team:
        assert team == Team() and team.leads
        assert team.share([1, 2, 3]) == [1, 2, 3]


def test_a_batch_is_shared_and_nobody_has_nothing_to_do() -> None:
    rows = list(range(5))
    assert [Team(rank, 2).share(rows) for rank in range(2)] == [[0, 2, 4], [1, 3]]
    assert Team(2, 3).share([7]) == [7]


def test_two_processes_train_what_one_would(tmp_path: Path, tokenizer: Path) -> None:
    data = write_spider(tmp_path / "tiny", ("one", "two", "three"))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), str(data), str(tmp_path), str(tokenizer)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"line-{n}.pt", weights_only=True) for n in range(2))
    model = torch.nn.Linear(3, 1)
    model.load_state_dict(first["before"])
    rows = torch.arange(12.0).view(4, 3) / 10
    model(rows).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    for name, weight in model.state_dict().items():
        assert torch.allclose(first["after"][name], weight)
        assert torch.equal(first["after"][name], second["after"][name])
    assert int((tmp_path / "steps-0").read_text()) > 0
    assert (tmp_path / "steps-1").read_text() == "0"
    assert torch.load(tmp_path / "run" / "members.pt", weights_only=True)["weights"]
