"""Read gold and predictions in every official format, and bring them together.

| file | formats |
|---|---|
| gold | lines of `SQL TAB db_id`; Spider's and BIRD's JSON; JSON lines; SQL-Eval's CSV |
| predictions | lines of SQL; BIRD's JSON object; a JSON list; JSON lines with `sql`; CSV |

Predictions that say which question they answer (`index`, or the key in BIRD's object) are put
there; others go by their place. Windows line ends, byte order marks and tabs are read; a line that
is not UTF-8 is taken for Windows-1252. What is odd about a file is told as notes: a question never
disappears because of it, it only lacks its prediction or its gold query.

What is not covered: turns of a conversation; blank lines between them are skipped.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from quorumsql.errors import UsageError
from quorumsql.evals.score_items import Item

__all__ = ["Job", "read_job"]

_BIRD: Final = "\t----- bird -----\t"
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_GOLD_KEYS: Final = ("query", "SQL", "sql", "gold")
_SQL_KEYS: Final = ("sql", "SQL", "predicted_sql", "prediction", "generated_query", "query")
_SHOWN: Final = 5
_LONGEST_CELL: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be scored, an item per question of the gold file, and what was odd."""

    items: tuple[Item, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A prediction as its file has it; `place` is its line, or its number in a list, from 1."""

    place: int
    sql: str | None
    key: int | None = None
    db_id: str = ""
    problem: str = ""


def read_job(gold: Path, predictions: Path) -> Job:
    """Return the items of a gold file with their predictions.

    Raises:
        UsageError: a file cannot be read, is in no known format, or gold has no question.
    """
    notes: list[str] = []
    questions, ids = _read_gold(gold, notes)
    if not questions:
        raise UsageError(f"{gold}: holds no question.")
    answers = _read_answers(predictions, len(questions), notes)
    found = _placed(predictions, answers, questions, ids, notes)
    items = tuple(_with(item, found.get(item.index)) for item in questions)
    others = [
        found[item.index].place
        for item in questions
        if item.index in found and found[item.index].db_id not in {"", item.db_id}
    ]
    if others:
        notes.append(
            f"{predictions}: another database than gold's on {_lines(others)}: in another order?"
        )
    if len(found) < len(questions):
        notes.append(
            f"{predictions}: {len(found)} predictions for {len(questions)} questions; "
            "a question without one is wrong."
        )
    return Job(items=items, notes=tuple(notes))


def _with(item: Item, answer: _Answer | None) -> Item:
    if answer is None or item.problem:
        return item
    sql = answer.sql if answer.sql and answer.sql.strip() else None
    return replace(item, prediction=sql, problem=answer.problem)


def _read_gold(path: Path, notes: list[str]) -> tuple[list[Item], list[int | None]]:
    """The items without predictions, and the question ids where gold has such."""
    text = _text(path, notes)
    if path.suffix.lower() == ".csv":
        rows = [dict(row) for row in _csv_rows(path, text)]
    elif text.lstrip()[:1] in {"[", "{"}:
        rows = [row if isinstance(row, dict) else {} for _, row in _values(path, text, notes)]
    else:
        lines = [(n, line) for n, line in enumerate(_LINE_END.split(text), 1) if line.strip()]
        return [_gold_line(i, n, line) for i, (n, line) in enumerate(lines)], []
    items = [_gold_entry(index, row) for index, row in enumerate(rows)]
    if not any(item.gold for item in items):
        raise UsageError(f"{path}: no entry has a gold query ({', '.join(_GOLD_KEYS)}).")
    return items, [_whole(row.get("question_id")) for row in rows]


def _gold_line(index: int, number: int, line: str) -> Item:
    sql, tab, db_id = line.strip().rpartition("\t")
    problem = "" if tab else f"line {number} of the gold file has no tab with a database after it"
    return Item(
        position=index,
        index=index,
        db_id=db_id.strip() if tab else "",
        gold=sql.strip(),
        prediction=None,
        problem=problem,
    )


def _gold_entry(index: int, row: Mapping[str, Any]) -> Item:
    gold, db_id = _first(row, _GOLD_KEYS), _first(row, ("db_id", "db_name"))
    lacks = "a gold query" if not gold else "" if db_id else "the name of its database"
    return Item(
        position=index,
        index=index,
        db_id=db_id,
        gold=gold,
        prediction=None,
        question=_first(row, ("question",)),
        category=_first(row, ("query_category", "difficulty")),
        problem=f"entry {index} of the gold file lacks {lacks}" if lacks else "",
    )


def _read_answers(path: Path, wanted: int, notes: list[str]) -> list[_Answer]:
    text = _text(path, notes)
    if path.suffix.lower() == ".csv":
        rows = enumerate(_csv_rows(path, text), 1)
        return [_answer(place, row) for place, row in rows]
    start = text.lstrip()[:1]
    if start == "{" and (pairs := _object(text)) is not None:
        return [
            replace(_answer(place, value), key=_whole(key))
            for place, (key, value) in enumerate(pairs.items(), 1)
        ]
    if start in {"[", "{"}:
        return [_answer(place, value) for place, value in _values(path, text, notes)]
    lines = _LINE_END.split(text.rstrip())
    if sum(bool(line.strip()) for line in lines) == wanted:
        # blank lines stand between turns, or for nothing
        kept = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    else:
        kept = list(enumerate(lines, 1)) if text.strip() else []
    return [_line(number, line) for number, line in kept]


def _object(text: str) -> dict[str, Any] | None:
    """BIRD's object of all predictions; None where the text is JSON lines."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = isinstance(value, dict) and not any(key in value for key in _SQL_KEYS)
    return value if found else None


def _line(number: int, line: str) -> _Answer:
    if _BIRD in line:
        return _answer(number, line)
    sql, _, rest = line.strip().partition("\t")
    name = rest.strip()
    return _Answer(place=number, sql=line, db_id=name if sql and name.isidentifier() else "")


def _answer(place: int, value: object) -> _Answer:
    """A prediction from JSON or CSV, where SQL may have tabs and line ends of its own."""
    if isinstance(value, str):
        sql, _, db_id = value.partition(_BIRD)
        return _Answer(place=place, sql=sql.replace("\t", " "), db_id=db_id.strip())
    if not isinstance(value, Mapping):
        return _Answer(place=place, sql=None, problem=f"prediction {place} is not an answer")
    known = next((key for key in _SQL_KEYS if key in value), None)
    problem = "" if known else f"prediction {place} has no SQL ({', '.join(_SQL_KEYS)})"
    sql, _, db_id = _first(value, _SQL_KEYS).partition(_BIRD)
    return _Answer(
        place=place,
        sql=sql.replace("\t", " "),
        key=_whole(value.get("index")),
        db_id=db_id.strip() or _first(value, ("db_id", "db_name")),
        problem=problem,
    )


def _placed(
    path: Path,
    answers: Sequence[_Answer],
    questions: Sequence[Item],
    ids: Sequence[int | None],
    notes: list[str],
) -> dict[int, _Answer]:
    """The answer of each question by its index; of two for one question the later one."""
    keys = [answer.key for answer in answers]
    if not any(key is not None for key in keys):
        keys = list(range(len(answers)))
    known = {number: index for index, number in enumerate(ids) if number is not None}
    given = {key for key in keys if key is not None}
    if not given <= set(range(len(questions))) and given <= set(known):
        keys = [None if key is None else known[key] for key in keys]
    found: dict[int, _Answer] = {}
    extra, twice = [], []
    for key, answer in zip(keys, answers, strict=True):
        if key is None or not 0 <= key < len(questions):
            extra.append(answer.place)
            continue
        if key in found:
            twice.append(found[key].place)
        found[key] = answer
    if extra:
        notes.append(f"{path}: not scored, for no question of the gold file: {_lines(extra)}.")
    if twice:
        notes.append(f"{path}: replaced by later ones for the same question: {_lines(twice)}.")
    return found


def _text(path: Path, notes: list[str]) -> str:
    """The text of a file, whatever its encoding."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    lines, odd = [], []
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", "replace"))
            odd.append(number)
    if odd:
        notes.append(f"{path}: not UTF-8, read as Windows-1252: {_lines(odd)}.")
    return "\n".join(lines)


def _values(path: Path, text: str, notes: list[str]) -> Iterator[tuple[int, object]]:
    """The values of a JSON list or of JSON lines; a line that is not JSON is named and is empty."""
    try:
        whole = json.loads(text)
    except RecursionError as error:
        raise UsageError(f"{path}: not valid JSON: nested too deeply.") from error
    except ValueError as error:
        if text.lstrip().startswith("["):
            raise UsageError(f"{path}: not valid JSON: {error}.") from error
    else:
        yield from enumerate(whole if isinstance(whole, list) else [whole], 1)
        return
    broken = []
    for number, line in enumerate(_LINE_END.split(text), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            broken.append(number)
            yield number, None
    if broken:
        notes.append(f"{path}: not valid JSON: {_lines(broken)}.")


def _csv_rows(path: Path, text: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file with a header.

    Raises:
        UsageError: it is no CSV.
    """
    csv.field_size_limit(_LONGEST_CELL)
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            yield {str(key): value for key, value in row.items() if isinstance(value, str)}
    except csv.Error as error:
        raise UsageError(f"{path}: not valid CSV: {error}.") from error


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The first of `keys` that holds text, else the empty text."""
    found = (row.get(key) for key in keys)
    return next((value for value in found if isinstance(value, str) and value.strip()), "")


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _lines(numbers: Sequence[int]) -> str:
    """Which lines, in a few words."""
    named = ", ".join(map(str, numbers[:_SHOWN]))
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}{more}"
