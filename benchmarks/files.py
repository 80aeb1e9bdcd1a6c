"""How long a large CSV file takes to be read, in which memory, and what a question then costs.

    python benchmarks/files.py --megabytes 5000

Writes the file into a temporary folder, opens it as `quorum ask --db FILE` does for the first
time and again, and runs one aggregate over all rows. The memory is the peak of all processes
that reading started, with that of this one beside it.

What is not covered: a cold disk. The file has just been written.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from contextlib import closing
from pathlib import Path

from quorumsql.db import open_database
from quorumsql.domain import Failure, Limits

BLOCK = 100_000
STATEMENT = "SELECT city, count(*), sum(amount), max(day) FROM large GROUP BY city ORDER BY city"


def write(path: Path, megabytes: int) -> int:
    """Write a file of about so many megabytes; return the number of its rows."""
    block = "".join(
        f"customer {n},{('Lisbon', 'Porto', 'Faro')[n % 3]},{n % 1000}.25,2024-01-{n % 28 + 1:02}\n"
        for n in range(BLOCK)
    )
    blocks = max(1, megabytes * 1_000_000 // len(block))
    with path.open("w", encoding="utf-8") as out:
        out.write("name,city,amount,day\n")
        for _ in range(blocks):
            out.write(block)
    return blocks * BLOCK


def peak(who: int) -> float:
    """The largest resident memory so far, in MB."""
    return resource.getrusage(who).ru_maxrss / 1024


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, home = Path(folder) / "large.csv", Path(folder) / "home"
        rows = write(path, given.megabytes)
        print(f"{path.stat().st_size / 1e6:,.0f} MB, {rows:,} rows\n")
        print("| | seconds |\n|---|---|")
        for name in ("open, the first time", "open again"):
            start = time.perf_counter()
            database = open_database(str(path), home=home)
            print(f"| {name} | {time.perf_counter() - start:.2f} |")
            with closing(database):
                start = time.perf_counter()
                database.schema()
                print(f"| describe | {time.perf_counter() - start:.2f} |")
                start = time.perf_counter()
                found = database.execute(STATEMENT, limits=Limits(seconds=600))
                assert not isinstance(found, Failure), found
                print(f"| aggregate over all rows | {time.perf_counter() - start:.2f} |")
        kept = sum(file.stat().st_size for file in home.iterdir()) / 1e6
        print(f"\nThe store has {kept:,.0f} MB.")
        print(f"Peak memory: {peak(resource.RUSAGE_CHILDREN):,.0f} MB in DuckDB's process,")
        print(f"{peak(resource.RUSAGE_SELF):,.0f} MB in this one.")


if __name__ == "__main__":
    main()
