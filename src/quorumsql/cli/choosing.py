"""Choose for a pool so that interrupted work goes on: each choice is kept as it is made.

Choices are appended to `OUT.partial`, whose first line says what is being done; the same command
continues there, and has lines where nothing ran tried again. What generators are worth by the whole
pool is kept there too. At the end `OUT` appears, whole and in the order of the pool.

What is not covered: how a choice is made; see `evals.pool` and `stages.choose`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, TypeAlias

from quorumsql.disk import encodable, write_atomically
from quorumsql.errors import UsageError
from quorumsql.evals.pool import Chosen, choose_pool, consensus, known_of
from quorumsql.evals.pool_lines import Databases, read_pool
from quorumsql.evals.unfinished import appending, begun
from quorumsql.stages.weighted import Measured

__all__ = ["Done", "Work", "choose_on"]

Choices: TypeAlias = dict[int, Mapping[str, Any]]
"""What was chosen, by the number of the pool's line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be chosen from, and how; as `evals.pool.choose_pool` has it."""

    pool: Path
    databases: Path
    out: Path
    method: str
    weights: Path | None
    composition: Path | None = None

    def identity(self) -> dict[str, object]:
        """What makes it the same work when it goes on."""
        from importlib.metadata import version

        return {
            "pool_sha256": _hash(self.pool),
            "databases": str(self.databases.resolve()),
            "method": self.method,
            "weights_sha256": _hash(self.weights) if self.weights else None,
            **({"composition_sha256": _hash(self.composition)} if self.composition else {}),
            "version": version("quorumsql"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it; `problems` are those of the lines of this run, with their numbers."""

    lines: int
    kept: int
    nothing_ran: int
    without_sql: int
    problems: Sequence[tuple[int, str]]


def choose_on(work: Work, begins: Callable[[str, int], None], advance: Callable[[], None]) -> Done:
    """Choose for every line of a pool that has no choice yet, and write them all.

    Args:
        work: what to do.
        begins: told what is done next, and with how many lines.
        advance: told that one more line is done.

    Raises:
        UnknownName: no such method.
        UsageError: a file or folder cannot be read or written, or the method needs weights.
        ConfigError: there is unfinished work on another pool, or by other settings.
    """
    how, _ = known_of(work.method, work.weights, work.composition)
    if not work.out.parent.is_dir():
        raise UsageError(f"{work.out}: its folder does not exist; make it first.")
    partial = work.out.with_name(work.out.name + ".partial")
    with ExitStack() as stack:
        opened = Databases(work.databases, stack)
        numbers = [number for number, _ in read_pool(work.pool)]
        found = begun(partial, work.identity())
        choices = {one["line"]: one["choice"] for one in found if "line" in one}
        choices = {n: one for n, one in choices.items() if one["groups"]}
        kept = len(choices)
        file = stack.enter_context(appending(partial))
        ranks = next((one["ranks"] for one in found if "ranks" in one), None)
        if ranks is None and how.rated and work.weights is None:
            begins("weighing generators", len(numbers))
            ranks = consensus(work.pool, opened, advance=advance)
            _keep(file, {"ranks": ranks})
        begins("choosing", len(numbers) - kept)
        todo = [number for number in numbers if number not in choices]
        problems = _chosen(work, ranks, todo, choices, file, advance)
    write_atomically(work.out, (_line(choices[number]) for number in numbers))
    partial.unlink()
    return Done(
        lines=len(numbers),
        kept=kept,
        nothing_ran=sum(not one["groups"] and one["sql"] is not None for one in choices.values()),
        without_sql=sum(one["sql"] is None for one in choices.values()),
        problems=problems,
    )


def _chosen(
    work: Work,
    ranks: Mapping[str, int] | None,
    todo: Sequence[int],
    choices: Choices,
    file: IO[str],
    advance: Callable[[], None],
) -> Sequence[tuple[int, str]]:
    """Choose for the lines `todo`, and keep each choice; return what was wrong with lines."""
    places = iter(todo)

    def keep(chosen: Chosen) -> None:
        number = next(places)
        choices[number] = asdict(chosen)
        _keep(file, {"line": number, "choice": choices[number]})
        advance()

    with TemporaryDirectory() as folder:
        rest = Path(folder, "pool.jsonl")
        with rest.open("wb") as copy:
            copy.writelines(_only(work.pool, frozenset(todo)))
        return choose_pool(
            rest,
            databases=work.databases,
            out=Path(folder, "choices.jsonl"),
            method=work.method,
            weights=work.weights,
            composition=work.composition,
            heard=None if ranks is None else Measured(ranks=ranks),
            watch=keep,
        ).problems


def _only(pool: Path, wanted: frozenset[int]) -> Iterator[bytes]:
    """The lines of a pool, those that are not wanted blank: the others keep their numbers."""
    with pool.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            yield raw if number in wanted else b"\n"


def _keep(file: IO[str], record: Mapping[str, Any]) -> None:
    file.write(_line(record))
    file.flush()


def _line(record: Mapping[str, Any]) -> str:
    return encodable(json.dumps(record, ensure_ascii=False)) + "\n"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
