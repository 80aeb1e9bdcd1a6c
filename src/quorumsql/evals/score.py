"""Score a file of predictions that anyone has made, and say what came out.

Every question of the gold file has exactly one verdict and is in every denominator; what could not
be judged counts as not right and is named.

What is not covered: how files are read (`score_files`), and how verdicts come about (`score_pool`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quorumsql.errors import UsageError
from quorumsql.evals.metrics import Estimate, accuracy
from quorumsql.evals.predictions import encodable, write_atomically
from quorumsql.evals.score_files import Job
from quorumsql.evals.score_items import Options, Verdict
from quorumsql.evals.score_pool import verdicts

__all__ = ["Scored", "score", "write_verdicts"]

_HARDNESS = ("easy", "medium", "hard", "extra")


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

    def summary(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        execution, exact = self.execution, self.exact
        return {
            "execution_accuracy": None if execution is None else execution.value,
            "exact_match": None if exact is None else exact.value,
            "n": len(self.verdicts),
            "unscored": len(self.unscored),
        }

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what people read, as (figure, value) pairs."""
        yield "questions", f"{len(self.verdicts)}"
        for name, found in (("execution accuracy", self.execution), ("exact match", self.exact)):
            if found is not None:
                yield name, f"{found.value:.1%}  [{found.low:.1%}, {found.high:.1%}]"
        for status, count in Counter(v.status for v in self.verdicts).most_common():
            yield status, f"{count}"
        for level in _HARDNESS:
            part = [v for v in self.verdicts if v.hardness == level]
            if part:
                yield f"{level}, {len(part)} questions", _parts(part)

    def _share(self, found: Sequence[bool | None]) -> Estimate | None:
        if not any(one is not None for one in found):
            return None
        return accuracy([one is True for one in found], [i.db_id for i in self.job.items])


def score(job: Job, options: Options, *, workers: int, watch: Callable[[Verdict], None]) -> Scored:
    """Return the verdicts on all items of `job`; `watch` is told each as it comes.

    Raises:
        UsageError: an option is wrong, or there is no place with databases.
    """
    if (options.db_dir is None) == (options.url is None):
        raise UsageError("Say where the databases are: either --db-dir FOLDER or --db URL.")
    if options.db_dir is not None and not options.db_dir.is_dir():
        raise UsageError(f"{options.db_dir}: no such folder of databases; give it with --db-dir.")
    if options.url is not None and options.metric not in {"sql-eval", "strict"}:
        raise UsageError(f"The metric {options.metric} reads SQLite files: give --db-dir FOLDER.")
    if options.metric == "spider-exact" and options.tables is None:
        raise UsageError("Exact-set match needs Spider's tables.json: give it with --tables.")
    found: dict[int, Verdict] = {}
    for verdict in verdicts(job.items, options, workers=workers):
        found[verdict.position] = verdict
        watch(verdict)
    return Scored(job=job, verdicts=tuple(found[item.position] for item in job.items))


def write_verdicts(path: Path, scored: Scored) -> None:
    """Write a JSON line per question, the whole file at once.

    Raises:
        UsageError: the file cannot be written.
    """
    write_atomically(path, (_line(v) for v in scored.verdicts))


def _line(verdict: Verdict) -> str:
    entry = {
        "index": verdict.position,
        "exec": verdict.exec,
        "exact": verdict.exact,
        "status": verdict.status,
        "reason": verdict.reason,
        "hardness": verdict.hardness,
    }
    return encodable(json.dumps(entry, ensure_ascii=False)) + "\n"


def _parts(part: Sequence[Verdict]) -> str:
    shares = []
    if any(v.exec is not None for v in part):
        shares.append(f"execution {sum(v.exec is True for v in part) / len(part):.1%}")
    if any(v.exact is not None for v in part):
        shares.append(f"exact {sum(v.exact is True for v in part) / len(part):.1%}")
    return ", ".join(shares)
