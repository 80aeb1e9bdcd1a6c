"""Questions of our own for Spider's training databases: its questions in other words, and new ones.

Whoever wrote Spider's questions saw the schemas, and named columns as they are called; whoever asks
in earnest did not. `questions.tsv` says up to 45 kinds of question of each training database four
times more (without names of tables and columns, without those of columns, with synonyms for both,
and as people talk), and asks new ones. A language model helped to write them. A line is

    database <tab> question <tab> SQL

where "=" and twelve hexadecimal digits in place of SQL mean a query of Spider's, whose text is not
ours to ship (`key_of`).

What is not covered: databases other than those of Spider's training set, its dev databases above
all, and what is made by rule (`train.synthetic`, `train.rename`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

__all__ = ["QUESTIONS", "key_of", "own_questions"]

QUESTIONS = Path(__file__).with_name("questions.tsv")
"""What ships."""


def key_of(database: str, sql: str) -> str:
    """Return what stands for a query of Spider: the same for all ways to space and end it."""
    plain = re.sub(r"\s+", " ", sql.strip().rstrip(";").strip()).lower()
    return "=" + sha256(f"{database}\t{plain}".encode()).hexdigest()[:12]


def own_questions(
    rows: Iterable[Mapping[str, str]], *, path: Path = QUESTIONS
) -> Iterator[dict[str, str]]:
    """Yield our own questions about the databases of `rows`, as rows in Spider's format.

    Rewordings of questions that `rows` lack are left out.
    """
    known: dict[str, str] = {}
    databases = set()
    for row in rows:
        databases.add(row["db_id"])
        known.setdefault(key_of(row["db_id"], row["query"]), row["query"])
    for line in path.read_text(encoding="utf-8").splitlines():
        database, question, sql = line.split("\t")
        query = known.get(sql) if sql.startswith("=") else sql
        if database in databases and query is not None:
            yield {"db_id": database, "question": question, "query": query}
