"""Invented databases as a data set in Spider's format, to measure on or to record members for.

    python benchmarks/invented.py OUT [--folder DATABASES]
    quorum eval spider --questions OUT/train.json --db-dir OUT/database --out RUN
    quorum train selector --run RUN …

A run by members that have not learned from these databases shows the reader mistakes that members
really make (`quorum train selector --run`).

What is not covered: inventing them; a language model wrote those of the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quorumsql.train.invented import DATABASES, as_spider, invented


def main(
    out: Annotated[Path, typer.Argument(help="The folder of the data set.")],
    folder: Annotated[Path, typer.Option(help="Invented databases.")] = DATABASES,
) -> None:
    """Write the data set."""
    databases = list(invented(folder))
    as_spider(databases, out)
    print(
        f"{out}: {len(databases)} databases, {sum(len(d.questions) for d in databases)} questions"
    )


if __name__ == "__main__":
    typer.run(main)
