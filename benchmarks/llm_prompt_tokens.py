"""How long prompts are on one database of all Spider dev schemas, filtered and not.

    python benchmarks/llm_prompt_tokens.py --data DIR [--every 20]

For every so manyth question, the prompt of the generator `direct` on S1 and on S2 is compared with
a plain prompt: the CREATE TABLE statements of the whole database, without comments and examples,
and the question. Tokens are the word pieces of the package's own tokenizer.

What is not covered: accuracy; `filter.py` measures recall and what filtering does to answers.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from merged import merge
from quorumsql.assemble import Models
from quorumsql.config import Settings
from quorumsql.db import open_database
from quorumsql.domain import Brief, Question, Schema
from quorumsql.evals.datasets import load_spider
from quorumsql.llm.scripted import Scripted
from quorumsql.neural.members import WEIGHTS
from quorumsql.prompts.pages import Pages
from quorumsql.prompts.write import RECIPES
from quorumsql.render import render
from quorumsql.stages.retrieve import retrieve
from quorumsql.stores.values import MemoryValueIndex


def main(
    data: Annotated[Path, typer.Option(envvar="QUORUM_DATA", help="The folder of data.")],
    every: Annotated[int, typer.Option(help="Only every so manyth question.", min=1)] = 20,
) -> None:
    """Print a Markdown table."""
    count = _counter()
    tasks = load_spider(data / "spider/dev.json", data / "spider/database")
    sizes: dict[str, list[int]] = {"S1": [], "S2": [], "plain": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "merged.sqlite"
        merged, _ = merge(tasks, path)
        with closing(open_database(str(path))) as database:
            schema = database.schema()
            index = MemoryValueIndex.build(database, schema)
            models = Models(Settings(model="m", home=Path(folder)), Scripted([]))
            ensemble = models.ensemble(["direct"])
            plain = count(render(_bare(schema), "ddl"))
            for task in merged[::every]:
                question = Question(text=task.question)
                hits = retrieve(question, index=index)
                session = ensemble.session(database, index)
                briefs = session.schemas(question, schema, hits, _never)
                sizes["S1"].append(count(_prompt(briefs[0])))
                sizes["S2"].append(count(_prompt(briefs[-1])))
                sizes["plain"].append(plain + count(task.question))
    columns = sum(len(table.columns) for table in schema.tables)
    print(f"{len(schema.tables)} tables, {columns} columns, {len(sizes['S1'])} questions\n")
    print("| prompt | mean tokens | share of the plain one |\n|---|---:|---:|")
    whole = statistics.mean(sizes["plain"])
    for name, own in sizes.items():
        print(f"| {name} | {statistics.mean(own):,.0f} | {statistics.mean(own) / whole:.1%} |")


def _counter() -> Callable[[str], int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))
    tokenizer.no_truncation()
    return lambda text: len(tokenizer.encode(text).ids)


def _bare(schema: Schema) -> Schema:
    tables = tuple(
        replace(
            table,
            comment="",
            columns=tuple(replace(column, comment="", examples=()) for column in table.columns),
        )
        for table in schema.tables
    )
    keys = tuple(key for key in schema.foreign_keys if key.declared)
    return replace(schema, tables=tables, foreign_keys=keys)


def _prompt(brief: Brief) -> str:
    return "\n".join(m.text for m in RECIPES["direct"].write(brief, (), Pages()))


def _never(name: str, error: Exception) -> None:
    raise AssertionError(f"{name} was not asked") from error


if __name__ == "__main__":
    typer.run(main)
