"""Score a file of predictions that anyone has made, and say what came out.

Every question of the gold file has exactly one verdict and is in every denominator; what could not
be judged counts as not right and is named. Where verdicts are to be written to a file, they are
kept beside it as they come, and scoring that was interrupted goes on from there.

What is not covered: how files are read (`score_files`), and how verdicts come about (`score_pool`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from quorumsql.disk import encodable, write_atomically
from quorumsql.errors import ConfigError, UsageError
from quorumsql.evals.figures import count, percent, with_spread
from quorumsql.evals.metrics import Estimate, accuracy
from quorumsql.evals.score_files import Job
from quorumsql.evals.score_items import Item, Options, Verdict
from quorumsql.evals.score_pool import verdicts
from quorumsql.evals.score_ves import efficiency
from quorumsql.evals.unfinished import appending, begun
from quorumsql.urls import read_url

__all__ = ["Scored", "score"]

_HARDNESS = ("easy", "medium", "hard", "extra", "simple", "moderate", "challenging")
_WITH_URL = frozenset({"bird", "bird-ves", "sql-eval", "strict"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The verdicts on a job, in the order of its items."""

    job: Job
    verdicts: tuple[Verdict, ...]

    @property
    def unscored(self) -> tuple[Verdict, ...]:
        """Those without a verdict, each with its reason."""
        return tuple(v for v in self.verdicts if v.status == "unscored")

    @property
    def execution(self) -> Estimate | None:
        """Execution accuracy, None where the metric has none."""
        return self._share([v.exec for v in self.verdicts])

    @property
    def exact(self) -> Estimate | None:
        """Share of exact-set matches, None where they were not asked for."""
        return self._share([v.exact for v in self.verdicts])

    @property
    def soft_f1(self) -> Estimate | None:
        """BIRD's soft F1 from 0 to 1, None for other metrics."""
        return self._share([v.f1 for v in self.verdicts])

    @property
    def r_ves(self) -> Estimate | None:
        """BIRD's R-VES from 0 to 1.118 (the official script prints percent), None elsewhere."""
        rewards = [v.reward for v in self.verdicts]
        if all(reward is None for reward in rewards):
            return None
        return self._share(efficiency([reward or 0.0 for reward in rewards]))

    def summary(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        bird = {"soft_f1": self.soft_f1, "r_ves": self.r_ves}
        return {
            "execution_accuracy": None if self.execution is None else self.execution.value,
            "exact_match": None if self.exact is None else self.exact.value,
            **{name: found.value for name, found in bird.items() if found is not None},
            "n": len(self.verdicts),
            "unscored": len(self.unscored),
        }

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what people read, as (figure, value) pairs."""
        yield "questions", f"{len(self.verdicts)}"
        figures = {
            "execution accuracy": self.execution,
            "exact match": self.exact,
            "soft F1": self.soft_f1,
            "R-VES": self.r_ves,
        }
        for name, found in figures.items():
            if found is not None:
                yield name, with_spread(found.value, (found.low, found.high))
        if self.unscored:
            yield "ceiling", percent(1 - len(self.unscored) / len(self.verdicts))
        for status, times in Counter(v.status for v in self.verdicts).most_common():
            yield status, f"{times}"
        for level in _HARDNESS:
            part = [v for v in self.verdicts if v.hardness == level]
            if part:
                yield f"{level}, {count(len(part), 'question')}", _parts(part)

    def _share(self, found: Sequence[float | None]) -> Estimate | None:
        if all(one is None for one in found):
            return None
        return accuracy([one or 0.0 for one in found], [i.db_id for i in self.job.items])


def score(
    job: Job,
    options: Options,
    *,
    workers: int,
    out: Path | None = None,
    watch: Callable[[Verdict], None] = lambda _: None,
) -> Scored:
    """Return the verdicts on all items of `job`.

    Args:
        job: what is to be scored.
        options: how.
        workers: how many processes.
        out: a file for a JSON line per question, in their order. Until all are there, `OUT.partial`
            has them as they come, and the same call goes on from it; what was unscored is tried
            again.
        watch: is told each verdict, those of an interrupted call first.

    Raises:
        UsageError: an option is wrong, there is no place with databases, or a file cannot be
            written.
        ConfigError: `OUT.partial` is of other files or options.
    """
    _check(options)
    if out is None:
        found = _all(job.items, options, workers, {}, watch)
        return Scored(job=job, verdicts=found)
    partial = out.with_name(out.name + ".partial")
    kept = _kept(partial, begun(partial, _config(job, options)))
    with appending(partial) as file:

        def note(verdict: Verdict) -> None:
            if verdict.position not in kept:
                file.write(encodable(json.dumps(asdict(verdict), ensure_ascii=False)) + "\n")
                file.flush()
            watch(verdict)

        found = _all(job.items, options, workers, kept, note)
    write_atomically(out, map(_line, found))
    partial.unlink()
    return Scored(job=job, verdicts=found)


def _all(
    items: Sequence[Item],
    options: Options,
    workers: int,
    kept: Mapping[int, Verdict],
    watch: Callable[[Verdict], None],
) -> tuple[Verdict, ...]:
    """The verdict on every item, in order: those that are kept, and new ones."""
    found = dict(kept)
    for verdict in kept.values():
        watch(verdict)
    todo = [item for item in items if item.position not in kept]
    if todo:
        with closing(verdicts(todo, options, workers=workers)) as coming:
            for verdict in coming:
                found[verdict.position] = verdict
                watch(verdict)
    return tuple(found[item.position] for item in items)


def _kept(path: Path, lines: Sequence[Mapping[str, Any]]) -> dict[int, Verdict]:
    """The verdicts of an interrupted call; of two on one item, the later."""
    try:
        found = TypeAdapter(list[Verdict]).validate_python(lines)
    except ValidationError as error:
        raise ConfigError(f"{path}: holds no verdicts; remove it to start over.") from error
    latest = {verdict.position: verdict for verdict in found}
    return {place: v for place, v in latest.items() if v.status != "unscored"}


def _config(job: Job, options: Options) -> dict[str, object]:
    """What identifies the work: the content of the files, wherever they are, and the options."""
    items = json.dumps([asdict(item) for item in job.items], ensure_ascii=False)
    tables = options.tables.read_bytes() if options.tables else b""
    return {
        **asdict(options),
        "db_dir": str(options.db_dir.resolve()) if options.db_dir else None,
        "url": _address(options.url or ""),
        "tables": _digest(tables),
        "items": _digest(items.encode("utf-8", "surrogatepass")),
        "version": version("quorumsql"),
    }


def _address(url: str) -> str:
    """A URL without its password, a path as it is."""
    is_file = "://" not in url or url.startswith(("sqlite:", "duckdb:"))
    return url if is_file else str(read_url(url))


def _digest(raw: bytes) -> str:
    return sha256(raw).hexdigest()


def _check(options: Options) -> None:
    if (options.db_dir is None) == (options.url is None):
        raise UsageError("Say where the databases are: either --db-dir FOLDER or --db URL.")
    if options.db_dir is not None and not options.db_dir.is_dir():
        raise UsageError(f"{options.db_dir}: no such folder of databases; give it with --db-dir.")
    if options.url is not None and options.metric not in _WITH_URL:
        raise UsageError(f"The metric {options.metric} reads SQLite files: give --db-dir FOLDER.")
    if options.metric == "spider-exact" and options.tables is None:
        raise UsageError("Exact-set match needs Spider's tables.json: give it with --tables.")
    if options.tables is not None and not options.tables.is_file():
        raise UsageError(f"{options.tables}: cannot be read: there is no such file.")


def _line(verdict: Verdict) -> str:
    entry: dict[str, object] = {
        "index": verdict.position,
        "exec": verdict.exec,
        "exact": verdict.exact,
        "status": verdict.status,
        "reason": verdict.reason,
        "hardness": verdict.hardness,
    }
    if verdict.f1 is not None:
        entry["soft_f1"] = verdict.f1
    if verdict.reward is not None:
        entry["reward"] = verdict.reward
    return encodable(json.dumps(entry, ensure_ascii=False)) + "\n"


def _parts(part: Sequence[Verdict]) -> str:
    shares = []
    if any(v.exec is not None for v in part):
        shares.append(f"execution {percent(sum(v.exec is True for v in part) / len(part))}")
    if any(v.exact is not None for v in part):
        shares.append(f"exact {percent(sum(v.exact is True for v in part) / len(part))}")
    if any(v.f1 is not None for v in part):
        shares.append(f"soft F1 {percent(sum(v.f1 or 0.0 for v in part) / len(part))}")
    if any(v.reward is not None for v in part):
        ves = efficiency([v.reward or 0.0 for v in part])
        shares.append(f"R-VES {percent(sum(ves) / len(part))}")
    return ", ".join(shares)
