"""Answer a file of questions without knowing any right answer: one JSON object per question.

While it works, answers are appended to `OUT.partial`, whose first line says what is being done;
the same call continues there. At the end `OUT` appears, whole and in the order of the questions.

What is not covered: scoring; `run.evaluate` does that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from quorumsql.api import answer_object
from quorumsql.disk import encodable, write_atomically
from quorumsql.domain import Answer, Rows
from quorumsql.errors import DatabaseError, ModelError, UsageError
from quorumsql.evals.entries import Entry, read_json
from quorumsql.evals.run import Executor, results_of
from quorumsql.evals.unfinished import appending, begun
from quorumsql.evals.worker import Answerer, Asks

__all__ = ["Asked", "Counts", "Line", "answer_file", "load_questions"]

Line: TypeAlias = Mapping[str, Any]
"""The object of `quorum ask --json` after `index`, `id` and `db`; or `error` in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question of a file. `id` is the caller's own name for it, whatever it is."""

    index: int
    question: str
    evidence: str
    database: str
    id: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many questions were answered, abstained from, and failed."""

    answered: int
    abstained: int
    failed: int


def load_questions(path: Path, database: str | None) -> tuple[Asked, ...]:
    """Read questions: JSON lines with `question`, or a text file with one question per line.

    `db` of a line wins over `database`; `evidence` and `id` may stand beside it.

    Raises:
        UsageError: the file is broken, holds no question, or a question has no database.
    """
    plain = path.suffix.lower() == ".txt"
    entries = _text_lines(path) if plain else read_json(path, expects=("question",))
    asked = tuple(_asked(index, entry, database) for index, entry in enumerate(entries))
    if not asked:
        raise UsageError(f"{path}: holds no question.")
    return asked


def answer_file(
    asked: Sequence[Asked],
    answerer: Answerer,
    *,
    out: Path,
    config: Mapping[str, object],
    workers: int = 1,
    executor: Executor = "processes",
    most_rows: int = 1_000,
    watch: Callable[[Line], None] = lambda _: None,
) -> Counts:
    """Answer all questions and write `out`, a line per question and in their order.

    Args:
        asked: the questions.
        answerer: opens databases for asking.
        out: the file of answers; it must not exist.
        config: what identifies the work; unfinished work with another one is refused.
        workers: how many questions are answered at a time.
        executor: where workers live.
        most_rows: of longer results, only so many rows are kept; `truncated` says so.
        watch: told every line, those of an earlier part of the work first.

    Raises:
        UsageError: `out` exists or cannot be written, or settings are wrong.
        ConfigError: there is unfinished work of another configuration.
        ModelError: models do not answer at all.
    """
    if out.exists():
        raise UsageError(f"{out}: exists already; remove it, or choose another --out.")
    partial = out.with_name(out.name + ".partial")
    done = _continued(partial, config, asked)
    for line in done.values():
        watch(line)
    todo = [one for one in asked if one.index not in done]
    work = _Batch(answerer=answerer, most_rows=most_rows)
    results = results_of(todo, work, workers=workers, executor=executor)
    with appending(partial) as file, closing(results):
        for line in results:
            file.write(_written(line))
            file.flush()
            done[line["index"]] = line
            watch(line)
    lines = [done[one.index] for one in asked]
    write_atomically(out, map(_written, lines))
    partial.unlink()
    failed = sum("error" in line for line in lines)
    abstained = sum(bool(line.get("abstained")) for line in lines)
    return Counts(answered=len(lines) - failed - abstained, abstained=abstained, failed=failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """The work of a batch; what goes wrong with one question is its line's `error`."""

    answerer: Answerer
    most_rows: int

    @contextmanager
    def session(self) -> Iterator[Callable[[Sequence[Asked]], Iterator[Line]]]:
        """Return what answers jobs; the last database stays open for the next job about it."""
        with ExitStack() as stack:
            place: str | None = None
            asks: Asks | DatabaseError | None = None
            worked = False

            def answer(job: Sequence[Asked]) -> Iterator[Line]:
                nonlocal place, asks, worked
                for one in job:
                    if one.database != place:
                        stack.close()
                        place, asks = one.database, self._open(one.database, stack)
                    if isinstance(asks, DatabaseError) or asks is None:
                        yield self.lost(one, str(asks))
                        continue
                    try:
                        line = self._line(one, asks.ask(one.question, evidence=one.evidence))
                        worked = True
                    except (ModelError, UsageError) as error:
                        if not worked and not isinstance(error, DatabaseError):
                            raise  # it never worked: the next question would not fare better
                        line = self.lost(one, str(error))
                    yield line

            yield answer

    def lost(self, item: Asked, why: str) -> Line:
        """Return the line of a question that nobody could answer."""
        return {**_names(item), "question": item.question, "error": why}

    def _open(self, place: str, stack: ExitStack) -> Asks | DatabaseError:
        try:
            return stack.enter_context(self.answerer.open(place))
        except DatabaseError as error:
            return error

    def _line(self, one: Asked, answer: Answer) -> Line:
        found = answer.execution
        if isinstance(found, Rows) and len(found.rows) > self.most_rows:
            cut = replace(found, rows=found.rows[: self.most_rows], truncated=True)
            answer = replace(answer, execution=cut)
        return {**_names(one), **answer_object(answer)}


def _names(one: Asked) -> dict[str, Any]:
    return {"index": one.index} | ({} if one.id is None else {"id": one.id})


def _asked(index: int, entry: Entry, database: str | None) -> Asked:
    question = entry.text("question")
    place = entry.optional("db") or database
    if not place:
        raise UsageError(f"{entry.where}: no database: give 'db' in the line, or --db for all.")
    return Asked(
        index=index,
        question=question,
        evidence=entry.optional("evidence"),
        database=place,
        id=entry.values.get("id"),
    )


def _text_lines(path: Path) -> Iterator[Entry]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start}).") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield Entry(where=f"{path}:{number}", values={"question": line.strip()})


def _continued(
    partial: Path, config: Mapping[str, object], asked: Sequence[Asked]
) -> dict[int, Line]:
    """Return what unfinished work has answered, without its failures; begin it where none is."""
    found = {line["index"]: line for line in begun(partial, config)}
    known = {one.index for one in asked}
    return {index: x for index, x in found.items() if index in known and "error" not in x}


def _written(line: Line) -> str:
    return encodable(json.dumps(line, ensure_ascii=False, allow_nan=False)) + "\n"
