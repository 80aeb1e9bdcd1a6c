"""Work is shared among workers that die: nothing is lost, nothing comes twice."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evals_cases import Scripted, make_benchmark
from quorumsql.config import without_ray_telemetry
from quorumsql.errors import ModelError, UsageError
from quorumsql.evals.batch import Asked, Line, answer_file
from quorumsql.evals.crew import Processes, share, steps
from quorumsql.evals.datasets import load_spider
from quorumsql.evals.predictions import Prediction
from quorumsql.evals.run import Executor, evaluate, results_of


@dataclass(frozen=True)
class Thing:
    index: int
    database: str


THINGS = [Thing(index, f"db{index % 3}") for index in range(40)]


@dataclass(frozen=True)
class Echo:
    """Answers with a thing's index; `fatal` kills its process, always or the first time."""

    folder: Path
    fatal: tuple[int, ...] = ()
    always: bool = False
    broken: int | None = None

    @contextmanager
    def session(self) -> Iterator[Callable[[Sequence[Thing]], Iterator[int]]]:
        (self.folder / f"{os.getpid()}.worker").touch()
        yield self._answer

    def lost(self, item: Thing, why: str) -> int:
        assert "2 workers died" in why
        return -item.index

    def _answer(self, job: Sequence[Thing]) -> Iterator[int]:
        assert len({thing.database for thing in job}) == 1
        for thing in job:
            if thing.index == self.broken:
                raise ModelError("the model is gone")
            mark = self.folder / f"{thing.index}.died"
            if thing.index in self.fatal and (self.always or not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield thing.index


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A real Ray on this machine with two processors."""
    without_ray_telemetry()
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _system_config={"worker_niceness": 0},  # by itself it would stand behind all others
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},
    )
    yield ray
    ray.shutdown()


def test_everything_is_done_once(tmp_path: Path) -> None:
    work = Echo(tmp_path)
    assert Counter(share(THINGS, work, Processes(work), workers=2)) == Counter(range(40))
    assert Counter(steps(THINGS, work)) == Counter(range(40))


def test_what_a_dead_worker_held_goes_to_others(tmp_path: Path) -> None:
    work = Echo(tmp_path, fatal=(7, 20))
    assert Counter(share(THINGS, work, Processes(work), workers=2)) == Counter(range(40))
    assert len(list(tmp_path.glob("*.died"))) == 2
    assert len(list(tmp_path.glob("*.worker"))) >= 3, "the dead are replaced"


def test_a_question_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    work = Echo(tmp_path, fatal=(13,), always=True)
    found = Counter(share(THINGS, work, Processes(work), workers=2))
    assert found == Counter([-13, *(i for i in range(40) if i != 13)])


def test_an_error_of_ours_reaches_the_caller(tmp_path: Path) -> None:
    work = Echo(tmp_path, broken=5)
    with pytest.raises(ModelError, match="the model is gone"):
        list(share(THINGS, work, Processes(work), workers=2))


def test_workers_that_all_die_at_once_end_the_work(tmp_path: Path) -> None:
    work = Echo(tmp_path, fatal=tuple(range(40)), always=True)
    with pytest.raises(UsageError, match="Workers die without answering anything"):
        list(share(THINGS, work, Processes(work), workers=2))


def test_ray_keeps_the_same_rules(tmp_path: Path, ray: Any) -> None:
    """One question kills its worker; everything comes exactly once, and errors arrive."""
    from quorumsql.evals.ray_crew import RayCrew

    work = Echo(tmp_path, fatal=(20,))
    found = Counter(share(THINGS, work, RayCrew(work, workers=2), workers=2))
    assert found == Counter(range(40))
    failing = Echo(tmp_path, broken=5)
    with pytest.raises(ModelError, match="the model is gone"):
        list(share(THINGS, failing, RayCrew(failing, workers=2), workers=2))


def test_nothing_to_do_needs_no_worker(tmp_path: Path) -> None:
    assert list(results_of([], Echo(tmp_path), workers=2, executor="ray")) == []


@dataclass(frozen=True)
class Noted(Scripted):
    """Also says which processes answer."""

    folder: str = ""

    @contextmanager
    def open(self, database: str) -> Iterator[Any]:
        with super().open(database) as asks:
            (Path(self.folder) / f"{os.getpid()}.pid").touch()
            yield asks


def test_an_evaluation_on_ray_survives_the_loss_of_a_worker(tmp_path: Path, ray: Any) -> None:
    """The same predictions as from processes; one of two workers is killed in the middle."""
    tasks = load_spider(make_benchmark(tmp_path), tmp_path / "database")
    config = {"benchmark": "tiny"}
    evaluate(tasks, Scripted(), out=tmp_path / "pool", config=config, workers=2)
    killed: list[int] = []
    written: list[int] = []

    def watch(prediction: Prediction) -> None:
        written.append(prediction.index)
        pids = sorted(tmp_path.glob("*.pid"))
        if len(written) >= 2 and not killed and pids:
            killed.append(int(pids[0].stem))
            os.kill(killed[0], signal.SIGKILL)

    noted = Noted(folder=str(tmp_path), slow=0.5)
    evaluate(
        tasks,
        noted,
        out=tmp_path / "ray",
        config=config,
        workers=2,
        executor="ray",
        watch=watch,
    )
    assert killed and os.getpid() not in killed
    assert len(list(tmp_path.glob("*.pid"))) >= 2
    assert sorted(written) == list(range(len(tasks)))
    assert _without_times(tmp_path / "ray") == _without_times(tmp_path / "pool")


def test_a_batch_on_ray_is_the_batch_of_processes(tmp_path: Path, ray: Any) -> None:
    make_benchmark(tmp_path)
    asked = [
        Asked(
            index=index,
            question=question,
            evidence="",
            database=str(tmp_path / f"database/{name}/{name}.sqlite"),
        )
        for index, (name, question) in enumerate(
            [("pets", "How many pets?"), ("cities", "Largest city?"), ("pets", "Distinct names?")]
        )
    ]
    both: tuple[Executor, ...] = ("processes", "ray")
    for executor in both:
        seen: list[Line] = []
        counts = answer_file(
            asked,
            Scripted(),
            out=tmp_path / executor,
            config={},
            workers=2,
            executor=executor,
            watch=seen.append,
        )
        assert (counts.answered, counts.failed, len(seen)) == (3, 0, 3)
    assert (tmp_path / "ray").read_bytes() == (tmp_path / "processes").read_bytes()


def _without_times(run: Path) -> list[dict[str, Any]]:
    lines = (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    timed = ("seconds", "timings_ms")
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]
