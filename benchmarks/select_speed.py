"""How long choosing takes: 26 candidates of one question, 500 of them, a million rows.

    python benchmarks/select_speed.py --data DIR [--every 4]

Every fourth question of the pool of 26 published systems: milliseconds for executing all candidates
of a question (equal statements once), and then for each method of `quorum choose`. A pool with one
result is not read by the trained selector, so questions that are read have a line of their own.
The median and the 95th percentile are printed, with CPU time beside, which a busy machine does not
change. Then 500 different candidates for one question, and two results of a million rows compared
by digest, with the peak memory that took.

What is not covered: loading the weights of the trained selector; it reads before the clock runs.
"""

from __future__ import annotations

import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from quorumsql.db import open_database
from quorumsql.domain import Attempt, Candidate, Question, Rows, Schema
from quorumsql.errors import ModelError
from quorumsql.evals.metrics import percentile
from quorumsql.evals.pool import METHODS, run_candidates
from quorumsql.evals.pool_lines import Databases, read_pool
from quorumsql.ports import Database, Selector
from quorumsql.results import same_result
from quorumsql.stages.execute import POOL_LIMITS, execute_all, statement_key
from quorumsql.stages.weighted import Measured

_T = TypeVar("_T")
_TWO = tuple(
    Candidate(
        generator=sql,
        attempts=(Attempt(sql=sql, execution=Rows(columns=("n",), rows=((sql,),))),),
    )
    for sql in ("SELECT 1", "SELECT 2")
)
"""Two results, so that a selector that reads has to, and loads its weights."""
_ROWS = 1_000_000
_COUNTED = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {rows}) {select}"
)


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    every: Annotated[int, typer.Option(help="Every so many questions.", min=1)] = 4,
) -> None:
    """Print the table."""
    print("| what | median, ms | 95th percentile, ms | CPU median, ms |\n|---|---|---|---|")
    _pool(data, every)
    _many()
    _million()


def _pool(data: Path, every: int) -> None:
    spent: dict[str, list[tuple[float, float]]] = {"executing 26 candidates": []}
    distinct: list[float] = []
    kept = _kept()
    with ExitStack() as stack:
        opened = Databases(data / "spider/database", stack)
        for number, line in read_pool(data / "pools/spider_dev_a.jsonl"):
            if number % every:
                continue
            database = opened.get(line.db_id)
            assert not isinstance(database, str), database
            schema = database.schema()
            candidates, took = _timed(lambda: run_candidates(line, database))  # noqa: B023
            spent["executing 26 candidates"].append(took)
            distinct.append(len({statement_key(sql, "sqlite") for _, sql in line.proposals}))
            known = Measured(ranks={c.generator: i for i, c in enumerate(candidates)})
            for name in [*kept, *(n for n, m in METHODS.items() if m.named)]:
                selector = kept.get(name) or METHODS[name].make(known)
                choice, took = _timed(
                    lambda: selector.choose(line.question, candidates, schema)  # noqa: B023
                )
                spent.setdefault(f"choosing: {name}", []).append(took)
                if METHODS[name].reads and len(choice.groups) > 1:
                    spent.setdefault(f"choosing: {name}, where it reads", []).append(took)
    for name, both in spent.items():
        _print(f"{name} ({len(both)} questions)", both)
    print(f"| different statements per question | {percentile(distinct, 0.5):.0f} | "
          f"{percentile(distinct, 0.95):.0f} | |")  # fmt: skip


def _kept() -> dict[str, Selector]:
    """The selectors that know no names, made once; without weights there is no trained one."""
    found = {}
    for name, method in METHODS.items():
        if not method.named:
            try:
                found[name] = method.make(Measured())
                found[name].choose(Question(text="How many?"), _TWO, Schema(name="two"))
            except ModelError as error:
                print(f"{name}: {error}", file=sys.stderr)
    return found


@contextmanager
def _empty() -> Iterator[Database]:
    """A database without rows, to compute in."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty.sqlite")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE t (a)")
            connection.commit()
        with closing(open_database(str(path))) as database:
            yield database


def _many() -> None:
    """Five hundred candidates with seven results."""
    with _empty() as database:
        sqls = [f"SELECT {n % 7} + {n} - {n} AS c" for n in range(500)]
        found, took = _timed(lambda: execute_all(sqls, database))
        _print("executing 500 different candidates", [took])
        pool = [
            Candidate(generator=f"{n}", attempts=(Attempt(sql=sql, execution=rows),))
            for n, (sql, rows) in enumerate(zip(sqls, found, strict=True))
        ]
        for name, selector in _kept().items():
            asked, schema = Question(text="How many?"), Schema(name="empty")
            _, took = _timed(lambda: selector.choose(asked, pool, schema))  # noqa: B023
            _print(f"choosing among 500: {name}", [took])


def _million() -> None:
    """Two long results that are the same in another order of rows and columns."""
    selects = ["SELECT x, x * 0.1, 'row ' || x FROM n"]
    selects.append(
        f"SELECT 'row ' || ({_ROWS + 1} - x), {_ROWS + 1} - x, ({_ROWS + 1} - x) * 0.1 FROM n"
    )
    with _empty() as database:
        limits = replace(POOL_LIMITS, seconds=300.0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sqls = [_COUNTED.format(rows=_ROWS, select=select) for select in selects]
        found, took = _timed(lambda: execute_all(sqls, database, limits=limits, seconds=600.0))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _print("two results of a million rows and three columns", [took])
    rows = [one for one in found if isinstance(one, Rows)]
    same = len(rows) == 2 and same_result(rows[0], rows[1])
    print(f"\nThe two are the same result: {'yes' if same else 'NO'}. "
          f"Memory grew by {max(after - before, 0) / 1024:.0f} MB.")  # fmt: skip


def _timed(work: Callable[[], _T]) -> tuple[_T, tuple[float, float]]:
    """What the work returned, and its wall and CPU time in milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, ((time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000)


def _print(name: str, both: Sequence[tuple[float, float]]) -> None:
    wall, cpu = zip(*both, strict=True)
    print(f"| {name} | {percentile(wall, 0.5):.1f} | {percentile(wall, 0.95):.1f} | "
          f"{percentile(cpu, 0.5):.1f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
