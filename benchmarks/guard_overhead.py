"""What the guard costs per statement, and how soon a cancelled statement stops on every engine.

    python benchmarks/guard_overhead.py --data DATA
    python benchmarks/guard_overhead.py --data DATA --engines sqlite,duckdb,postgres,mysql

Overhead: the tree check, and the rewriting for permissions, of every gold query of Spider dev, as
processor time. Stopping: a cross join that would run for hours is cancelled after half a second;
measured are the time until the caller has its failure, and until the processes that compute for
it (ours, and those of the server) use no more than a tenth of a core.

What is not covered: servers elsewhere. The engines are those that the tests start.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from quorumsql.config import load_settings
from quorumsql.db import open_database
from quorumsql.domain import Execution, Failure, Limits, Schema
from quorumsql.errors import UsageError
from quorumsql.guard import check
from quorumsql.guard.access import access
from quorumsql.guard.restrict import restrict
from quorumsql.permissions import Names, Permissions

sys.path.append(str(Path(__file__).parent.parent / "tests"))

ENDLESS = "SELECT count(*) FROM big a, big b, big c, big d WHERE (a.n * b.n + c.n) % 977 < d.n"
SCRIPT = "CREATE TABLE big (n INTEGER); INSERT INTO big VALUES " + ", ".join(
    f"({n})" for n in range(1_000)
)
CANCEL_AFTER = 0.5
QUIET = 0.1


def overhead(data: Path) -> None:
    """Print what checking and restricting one statement costs."""
    tasks = json.loads((data / "spider" / "dev.json").read_text(encoding="utf-8"))
    schemas = {name: _schema(data, name) for name in sorted({task["db_id"] for task in tasks})}
    rules = Permissions(deny=Names(columns=("*.password",)), rows={"*": "1 = 1"})
    ways = {name: access(schema, rules) for name, schema in schemas.items()}
    checks = [_cpu(partial(check, task["query"], dialect="sqlite")) for task in tasks]
    rewrites = [_cpu(partial(restrict, task["query"], ways[task["db_id"]])) for task in tasks]
    print("| overhead per statement | median | 95th percentile |\n|---|---|---|")
    for name, found in (("tree check", checks), ("check and permissions", rewrites)):
        high = statistics.quantiles(found, n=20)[-1]
        print(f"| {name} | {statistics.median(found):.2f} ms | {high:.2f} ms |")


def _schema(data: Path, name: str) -> Schema:
    path = data / "spider" / "database" / name / f"{name}.sqlite"
    with closing(open_database(str(path))) as database:
        return database.schema()


def _cpu(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return (time.process_time() - started) * 1000


def stopping(engine: str, runs: int) -> None:
    """Print how soon a cancelled statement has ended, and its processes are quiet."""
    ended, quiet = [], []
    with opened(engine) as (database, server):
        for _ in range(runs):
            first, second = _cancelled(database, server)
            ended.append(first)
            quiet.append(second)
    print(f"| {engine} | {_middle(ended)} | {max(ended):.0f} ms | {_middle(quiet)} |")


def _middle(found: list[float]) -> str:
    return f"{statistics.median(found):.0f} ms"


def _cancelled(database: Any, server: int | None) -> tuple[float, float]:
    """Milliseconds from the cancellation to the failure, and until nothing computes."""
    outcome: list[Execution] = []

    def run() -> None:
        outcome.append(database.execute(ENDLESS, limits=Limits(seconds=60)))

    worker = threading.Thread(target=run)
    worker.start()
    time.sleep(CANCEL_AFTER)
    computing = _descendants(server or os.getpid())
    started = time.monotonic()
    database.cancel()
    worker.join()
    ended = time.monotonic() - started
    if not isinstance(outcome[0], Failure) or outcome[0].kind != "timeout":
        raise RuntimeError(f"The statement was not cancelled: {outcome[0]!r:.200}")
    while True:
        before, since = _cpu_of(computing), time.monotonic()
        time.sleep(0.05)
        if (_cpu_of(computing) - before) / (time.monotonic() - since) < QUIET:
            return ended * 1000, (since - started) * 1000


def _descendants(parent: int) -> list[int]:
    """The process and all that it started, also through others."""
    parents = {int(p.parent.name): _fields(p)[1] for p in Path("/proc").glob("[0-9]*/stat")}
    found = [parent]
    for one in found:
        found += [child for child, of in parents.items() if of == str(one)]
    return found


def _cpu_of(processes: list[int]) -> float:
    """Processor seconds that they have used, those that have ended counting nothing more."""
    ticks = 0
    for process in processes:
        fields = _fields(Path(f"/proc/{process}/stat"))
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(path: Path) -> list[str]:
    """What the system says of a process after its name; zeros where it has ended."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ["0"] * 20


@contextmanager
def opened(engine: str) -> Iterator[tuple[Any, int | None]]:
    """Yield a database of `engine` and its server's first process."""
    with tempfile.TemporaryDirectory(prefix="quorum-") as folder:
        if engine == "sqlite":
            path = Path(folder) / "big.sqlite"
            with closing(sqlite3.connect(path)) as connection:
                connection.executescript(SCRIPT)
            with closing(open_database(str(path))) as database:
                yield database, None
        elif engine == "duckdb":
            import duckdb

            path = Path(folder) / "big.duckdb"
            with duckdb.connect(path) as made:
                made.execute(SCRIPT)
            with closing(open_database(str(path))) as database:
                yield database, None
        else:
            import servers

            start = {"postgres": servers.postgresql, "mysql": servers.mariadb}[engine]
            make = {"postgres": servers.make_postgresql, "mysql": servers.make_mariadb}[engine]
            with start() as server, closing(open_database(make(server, "big", SCRIPT))) as database:
                yield database, server.process.pid


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="the folder of public data sets")
    parser.add_argument("--engines", default="sqlite,duckdb,postgres,mysql")
    parser.add_argument("--runs", type=int, default=10)
    given = parser.parse_args()
    data = given.data or load_settings().data
    if data is None:
        raise UsageError("Name the folder of data: --data DATA, or QUORUM_DATA.")
    overhead(data)
    print("\n| cancelled statement | ended, median | ended, slowest | quiet, median |")
    print("|---|---|---|---|")
    for engine in given.engines.split(","):
        stopping(engine, given.runs)


if __name__ == "__main__":
    main()
