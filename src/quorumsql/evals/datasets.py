"""Read benchmark questions; the one place where gold SQL exists.

A `Task` is what a benchmark asks and expects. Only its question and its evidence are ever
handed to an answerer, so the gold query cannot reach the pipeline.

| reader | files |
|---|---|
| `load_spider` | Spider with or without test suite, Spider-Realistic, Spider-Syn, Spider-DK |
| `load_bird` | BIRD dev and mini-dev: SQLite, MySQL or PostgreSQL |
| `load_sql_eval` | Defog SQL-Eval |
| `load_lines` | a user's own questions as JSON lines, with SQL or with rows |

A question whose database is missing stays a task, so that it is counted: it will be unscored.

What is not covered: making databases (`sql_eval.load_databases`), and what makes an answer right
(`metrics`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from quorumsql.domain import Rows
from quorumsql.errors import UsageError
from quorumsql.evals.entries import Entry, read_csv, read_json

__all__ = [
    "Locate",
    "Task",
    "absent",
    "at_url",
    "database_file",
    "in_folder",
    "load_bird",
    "load_lines",
    "load_spider",
    "load_sql_eval",
]

Locate: TypeAlias = Callable[[str], tuple[str, ...]]
"""Maps a database's name to its path or URL, and those of its test suite after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benchmark question. `index` is its 0-based position in the questions file.

    `database` is the path or URL of what the question is about; an answer must also be right
    on all of `suite`, databases of the same schema with other rows. `gold` is the query as the
    benchmark writes it, empty where only the `expected` rows are known; `ordered` says whether
    their order counts. `hardness` is the benchmark's own word for how hard the question is.
    """

    index: int
    db_id: str
    question: str
    gold: str
    database: str
    evidence: str = ""
    suite: tuple[str, ...] = ()
    expected: Rows | None = None
    ordered: bool = False
    hardness: str = ""


def database_file(db_dir: Path, db_id: str) -> Path | None:
    """Return `db_dir/DB/DB.sqlite`, Spider's layout, or None when there is none."""
    path = _in_layout(db_dir, db_id)
    return path if path is not None and path.is_file() else None


def in_folder(db_dir: Path) -> Locate:
    """Find databases as `db_dir/DB/DB.sqlite`; other `.sqlite` files beside it are its test suite.

    Source of the test suite: Zhong, Yu, Klein 2020, "Semantic Evaluation for Text-to-SQL with
    Distilled Test Suites", whose released databases have this layout.

    Raises:
        UsageError: there is no such folder.
    """
    if not db_dir.is_dir():
        raise UsageError(f"{db_dir}: no such folder of databases; give it with --db-dir.")

    def locate(db_id: str) -> tuple[str, ...]:
        main = _in_layout(db_dir, db_id)
        if main is None:
            return ("",)
        suite = sorted(path for path in main.parent.glob("*.sqlite") if path != main)
        return (str(main), *map(str, suite))

    return locate


def at_url(url: str) -> Locate:
    """Find databases by a URL: `{db_id}` in it stands for the name; without it, all are in one."""
    return lambda db_id: (url.replace("{db_id}", quote(db_id, safe="")),)


def absent(tasks: Iterable[Task]) -> Mapping[str, int]:
    """Return the names of databases that are files and do not exist, with their questions."""
    places: dict[str, bool] = {}
    missing: Counter[str] = Counter()
    for task in tasks:
        if task.database not in places:
            at_server = "://" in task.database
            found = bool(task.database) and Path(task.database).expanduser().exists()
            places[task.database] = at_server or found
        missing[task.db_id] += not places[task.database]
    return {name: count for name, count in missing.items() if count}


def load_spider(questions: Path, db_dir: Path, *, limit: int | None = None) -> tuple[Task, ...]:
    """Read a file in Spider's format: a JSON list of `db_id`, `question`, `query`.

    Spider-Syn's `SpiderSynQuestion` is read in place of `question`.

    Source: Yu et al. 2018, "Spider: A Large-Scale Human-Labeled Dataset for Complex and
    Cross-Domain Semantic Parsing and Text-to-SQL Task" (the released dev.json); Deng et al. 2021
    (Realistic); Gan et al. 2021, two papers (Syn and DK).

    Args:
        questions: the file; other keys of its entries are ignored.
        db_dir: folder that holds `DB/DB.sqlite` for every `db_id`.
        limit: read no more than the first so many questions.

    Raises:
        UsageError: the file or the folder is missing, an entry is broken (file and line are
            named), or none of the databases exists.
    """

    def task(index: int, entry: Entry, locate: Locate) -> Task:
        db_id, question = entry.text("db_id"), entry.text("SpiderSynQuestion", "question")
        gold = entry.text("query")
        database, *suite = locate(db_id)
        return Task(
            index=index,
            db_id=db_id,
            question=question,
            gold=gold,
            database=database,
            suite=tuple(suite),
            hardness=entry.optional("hardness"),
        )

    expects = ("db_id", "question", "query")
    return _load(questions, task, in_folder(db_dir), limit=limit, expects=expects)


def load_bird(
    questions: Path, locate: Locate, *, evidence: bool = True, limit: int | None = None
) -> tuple[Task, ...]:
    """Read BIRD dev or mini-dev: `db_id`, `question`, `evidence`, `SQL`, `difficulty`.

    Source: Li et al. 2023, "Can LLM Already Serve as A Database Interface? A BIg Bench for
    Large-Scale Database Grounded Text-to-SQLs" (the released dev.json and mini_dev_*.json).

    Args:
        questions: the file, a JSON list or JSON lines.
        locate: where the databases are.
        evidence: whether the answerer is given the evidence.
        limit: read no more than the first so many questions.

    Raises:
        UsageError: as `load_spider`.
    """

    def task(index: int, entry: Entry, locate: Locate) -> Task:
        db_id = entry.text("db_id")
        return Task(
            index=index,
            db_id=db_id,
            question=entry.text("question"),
            evidence=entry.optional("evidence") if evidence else "",
            gold=entry.text("SQL"),
            database=locate(db_id)[0],
            hardness=entry.optional("difficulty"),
        )

    return _load(questions, task, locate, limit=limit, expects=("db_id", "question", "SQL"))


def load_sql_eval(questions: Path, locate: Locate, *, limit: int | None = None) -> tuple[Task, ...]:
    """Read a question file of Defog's SQL-Eval: CSV with `question`, `query`, `db_name`.

    `instructions` are the evidence. The gold query is kept as it is written: several
    references after each other, alternative columns in braces.

    Raises:
        UsageError: as `load_spider`.
    """

    def task(index: int, entry: Entry, locate: Locate) -> Task:
        db_id = entry.text("db_name")
        return Task(
            index=index,
            db_id=db_id,
            question=entry.text("question"),
            evidence=entry.optional("instructions"),
            gold=entry.text("query"),
            database=locate(db_id)[0],
            hardness=entry.optional("query_category"),
        )

    return _load(questions, task, locate, limit=limit, expects=("question", "query", "db_name"))


def load_lines(questions: Path, url: str, *, limit: int | None = None) -> tuple[Task, ...]:
    """Read a user's own questions: `question`, and `sql` or the expected `rows`.

    `rows` is a list of rows, each a list of values or an object. With `"ordered": true` their
    order counts. `evidence`, `db_id` and `hardness` may stand beside them.

    Args:
        questions: JSON lines, or a JSON list.
        url: the database, or a URL with `{db_id}` in it.
        limit: read no more than the first so many questions.

    Raises:
        UsageError: as `load_spider`.
    """
    name = Path(url.partition("?")[0].rstrip("/")).stem or "database"

    def task(index: int, entry: Entry, locate: Locate) -> Task:
        question = entry.text("question")
        expected = _expected_rows(entry)
        db_id = entry.optional("db_id") or name
        return Task(
            index=index,
            db_id=db_id,
            question=question,
            evidence=entry.optional("evidence"),
            gold=entry.text("sql") if expected is None else entry.optional("sql"),
            database=locate(db_id)[0],
            expected=expected,
            ordered=bool(entry.values.get("ordered", False)),
            hardness=entry.optional("hardness", "difficulty", "category"),
        )

    return _load(questions, task, at_url(url), limit=limit, expects=("question", "sql or rows"))


def _load(
    questions: Path,
    task: Callable[[int, Entry, Locate], Task],
    locate: Locate,
    *,
    limit: int | None,
    expects: Sequence[str],
) -> tuple[Task, ...]:
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} leaves no question: give 1 or more.")
    tasks: list[Task] = []
    lines: dict[str, int] = {}
    is_csv = questions.suffix.lower() == ".csv"
    entries = (read_csv if is_csv else read_json)(questions, expects=expects)
    for index, entry in enumerate(entries):
        if index == limit:
            break
        tasks.append(task(index, entry, locate))
        lines.setdefault(tasks[-1].db_id, entry.line)
    if not tasks:
        raise UsageError(f"{questions}: holds no question.")
    missing = absent(tasks)
    if sum(missing.values()) == len(tasks):
        names = ", ".join(f"{name!r} (line {lines[name]})" for name in missing)
        raise UsageError(
            f"{questions}: no database for {names}; "
            f"looked for {tasks[0].database or 'NAME/NAME.sqlite'}."
        )
    return tuple(tasks)


def _in_layout(db_dir: Path, db_id: str) -> Path | None:
    if not db_id or db_id != Path(db_id).name or db_id in {".", ".."}:
        return None  # a name that climbs out of the folder names no database of it
    return db_dir / db_id / f"{db_id}.sqlite"


def _expected_rows(entry: Entry) -> Rows | None:
    """The rows that a line expects, None where it has none."""
    if "rows" not in entry.values:
        return None
    given = entry.values["rows"]
    if not isinstance(given, list):
        raise UsageError(f"{entry.where}: 'rows' is not a list of rows.")
    rows = tuple(_row(value) for value in given)
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise UsageError(f"{entry.where}: 'rows' has rows of different lengths.")
    named: Any = entry.values.get("columns")
    if named is None and given and isinstance(given[0], dict):
        named = list(given[0])
    width = widths.pop() if widths else 0
    if named is None:
        named = [f"column {place}" for place in range(1, width + 1)]
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise UsageError(f"{entry.where}: 'columns' is not a list of names.")
    if rows and len(named) != width:
        raise UsageError(f"{entry.where}: {len(named)} columns are named, the rows have {width}.")
    return Rows(columns=tuple(named), rows=rows)


def _row(value: object) -> tuple[object, ...]:
    match value:
        case dict():
            return tuple(value.values())
        case list():
            return tuple(value)
        case _:
            return (value,)
