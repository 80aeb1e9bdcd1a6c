"""Selection alone, on anybody's candidates: read a pool, choose, write the choices.

Each different SQL of a line runs once, and a `Selector` chooses. It sees the question, the schema
and candidates that have run, in the order of their SQL's length. Unless a method weighs generators
by name, names are replaced by numbers first, so that neither names nor order can matter. A method
may learn what each generator's vote is worth from the pool itself, by `stages.consensus`; the pool
is then read twice.

Every pool line gets an output line, in order. Where nothing ran, or the database is
unknown, the SQL that most candidates wrote is kept with confidence 0; a line that cannot
be read keeps its place with no SQL. The output appears whole or not at all.

What is not covered: how pools are read (`evals.pool_lines`), and what makes a choice right.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from quorumsql.disk import encodable, write_atomically
from quorumsql.domain import Attempt, Candidate, Limits, Schema
from quorumsql.errors import DatabaseError, UnknownName, UsageError
from quorumsql.evals.pool_lines import Databases, PoolLine, Proposal, read_pool
from quorumsql.ports import Database, Selector
from quorumsql.shipped import selector_of_pools
from quorumsql.sql import normalise
from quorumsql.stages.choose import Majority
from quorumsql.stages.composed import UNNAMED, load_composed
from quorumsql.stages.consensus import Consensus
from quorumsql.stages.crossmax import Fused
from quorumsql.stages.execute import POOL_LIMITS, execute_all
from quorumsql.stages.present import FirstShown, Presented
from quorumsql.stages.weighted import Measured, Weighted, load_measured, rank_weights

__all__ = [
    *("METHODS", "POOL_LIMITS", "Chosen", "Method", "PoolReport"),
    *("choose_pool", "consensus", "known_of", "run_candidates"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to choose. `make` is given what is known of generators, which may be nothing.

    Where there are `members`, candidates of others are left aside. `named` methods look generators
    up by name and need to know something of them; `rated` ones take it from the pool's consensus
    where nothing is known; those that `read` need question and schema.
    """

    make: Callable[[Measured], Selector]
    named: bool = False
    rated: bool = False
    reads: bool = False
    members: frozenset[str] = frozenset()


METHODS: Mapping[str, Method] = {
    "trained": Method(
        make=lambda known: selector_of_pools(rank_weights(known.ranks)), rated=True, reads=True
    ),
    "majority": Method(make=lambda _: Majority()),
    "crossmax": Method(make=lambda _: Fused()),
    "weighted": Method(make=lambda known: Weighted(rank_weights(known.ranks)), named=True),
    "gem": Method(make=lambda known: Weighted(known.gem), named=True),
    "ordered": Method(make=lambda known: Presented(FirstShown(), known.ranks), named=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One output line. `groups` counts the different results, `group_size` the votes for ours."""

    id: object
    sql: str | None
    generator: str | None
    confidence: float
    group_size: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """How many lines were read, and what was wrong with which (line number, words)."""

    lines: int
    problems: tuple[tuple[int, str], ...]
    unread: int


def choose_pool(
    pool: Path,
    *,
    databases: Path,
    out: Path,
    method: str = "trained",
    weights: Path | None = None,
    composition: Path | None = None,
    heard: Measured | None = None,
    limits: Limits = POOL_LIMITS,
    watch: Callable[[Chosen], None] = lambda _: None,
) -> PoolReport:
    """Choose for every line of `pool`, and write `out` when all are done.

    Args:
        pool: the file of candidates; blank lines are skipped.
        databases: folder that holds `DB/DB.sqlite` for every `db_id`.
        out: the file of choices; an earlier one stays as it is until this one is whole.
        method: a name in `METHODS`.
        weights: what was measured of generators, for the methods that use it.
        composition: which generators have a vote and how it counts, in place of a method.
        heard: what `consensus` found of a whole pool that this is a part of.
        limits: what one candidate may cost.
        watch: told every choice as it is made.

    Raises:
        UnknownName: no such method.
        UsageError: `pool`, `weights` or `composition` cannot be read, `databases` is no folder,
            `out` cannot be written, or the method needs weights.
    """
    how, known = known_of(method, weights, composition)
    known = heard or known
    if not out.parent.is_dir():
        raise UsageError(f"{out}: its folder does not exist; make it first.")
    problems: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        opened = Databases(databases, stack)
        if how.rated and weights is None and heard is None:
            known = Measured(ranks=consensus(pool, opened, limits=limits))
        chooser = _Chooser(opened, how, known, limits=limits)

        def lines() -> Iterator[str]:
            for number, line in read_pool(pool):
                chosen, problem = chooser.choose(line)
                counts["lines"] += 1
                counts["unread"] += chosen.sql is None
                if problem is not None:
                    problems.append((number, problem))
                watch(chosen)
                yield encodable(json.dumps(asdict(chosen), ensure_ascii=False)) + "\n"

        write_atomically(out, lines())
    return PoolReport(lines=counts["lines"], problems=tuple(problems), unread=counts["unread"])


def known_of(
    method: str, weights: Path | None = None, composition: Path | None = None
) -> tuple[Method, Measured]:
    """Return a method by its name in `METHODS`, or a composition; and what is known of generators.

    Raises:
        UnknownName: there is no such method.
        UsageError: it needs weights and there are none, or a file cannot be read.
    """
    if composition is not None:
        found = load_composed(composition)
        members = frozenset(found.members)
        return Method(make=lambda _: found, named=True, members=members), Measured()
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if METHODS[method].named and weights is None:
        raise UsageError(
            f"The method {method!r} must know the generators: give --weights FILE, which "
            "quorum tune writes."
        )
    return METHODS[method], Measured() if weights is None else load_measured(weights)


def consensus(
    pool: Path,
    databases: Databases,
    *,
    limits: Limits = POOL_LIMITS,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, int]:
    """Return the places of the generators, 0 for the best, from what they agree on.

    Args:
        pool: the file of candidates.
        databases: where they run.
        limits: what one candidate may cost.
        advance: told that one more line was heard.
    """
    heard = Consensus()
    for _, line in read_pool(pool):
        database = databases.get(line.db_id) if line.proposals else "nothing to run"
        if not isinstance(database, str):
            with suppress(DatabaseError):  # told when the line's turn comes
                heard.hear(run_candidates(line, database, limits=limits), dialect=database.dialect)
        advance()
    return heard.ranks()


def run_candidates(
    line: PoolLine, database: Database, *, named: bool = True, limits: Limits = POOL_LIMITS
) -> tuple[Candidate, ...]:
    """Return the line's proposals as candidates that have run, in their order.

    Unless they are to be `named`, their names are numbers that say nothing.

    Raises:
        DatabaseError: the database itself is gone.
    """
    found = execute_all([sql for _, sql in line.proposals], database, limits=limits)
    return tuple(
        Candidate(
            generator=name if named else f"{place:06}",
            attempts=(Attempt(sql=sql, execution=execution),),
        )
        for place, ((name, sql), execution) in enumerate(zip(line.proposals, found, strict=True))
    )


class _Chooser:
    """Chooses for one line after another."""

    def __init__(
        self,
        databases: Databases,
        how: Method,
        known: Measured,
        *,
        limits: Limits,
    ) -> None:
        self._databases, self._selector, self._limits = databases, how.make(known), limits
        self._named, self._reads = how.named or bool(known.ranks), how.reads
        self._members = how.members

    def choose(self, line: PoolLine) -> tuple[Chosen, str | None]:
        """Return the choice for a line, and what was wrong with the line, if anything."""
        if not line.proposals:
            return _nothing(line), line.problem
        line = _of_members(line, self._members)
        database = self._databases.get(line.db_id)
        if isinstance(database, str):
            return _most_written(line, "sqlite"), _joined(line, database if line.db_id else None)
        try:
            return self._chosen(line, database), self._problem(line)
        except DatabaseError as error:
            return _most_written(line, database.dialect), _joined(line, str(error))

    def _chosen(self, line: PoolLine, database: Database) -> Chosen:
        candidates = run_candidates(line, database, named=self._named, limits=self._limits)
        schema = Schema(name=database.name, dialect=database.dialect)
        if self._reads:
            schema = database.schema()
        choice = self._selector.choose(line.question, candidates, schema)
        if choice.candidate is None:
            return _most_written(line, database.dialect)
        group = next(group for group in choice.groups if choice.candidate in group.members)
        generator, sql = line.proposals[choice.candidate]
        return Chosen(
            id=line.id,
            sql=sql,
            generator=generator,
            confidence=choice.confidence,
            group_size=len(group.members),
            groups=len(choice.groups),
        )

    def _problem(self, line: PoolLine) -> str | None:
        missing = self._reads and not line.question.text.strip()
        return _joined(line, "no 'question' to choose by" if missing else None)


def _of_members(line: PoolLine, members: frozenset[str]) -> PoolLine:
    """The line with one proposal of each member; whole where there is none, which is a problem."""
    if not members:
        return line
    first: dict[str, Proposal] = {}
    for name, sql in line.proposals:
        if (name or UNNAMED) in members:
            first.setdefault(name, (name, sql))
    if not first:
        return replace(line, problem=_joined(line, "no candidate of the composition's members"))
    return replace(line, proposals=tuple(first.values()))


def _joined(line: PoolLine, problem: str | None) -> str | None:
    return ", ".join(part for part in (line.problem, problem) if part) or None


def _most_written(line: PoolLine, dialect: str) -> Chosen:
    """Keep the SQL that most candidates wrote, for want of results to compare."""
    texts = [normalise(sql, dialect) for _, sql in line.proposals]
    counts = Counter(texts)
    best = max(range(len(texts)), key=lambda i: (counts[texts[i]], -i))
    generator, sql = line.proposals[best]
    return Chosen(id=line.id, sql=sql, generator=generator, confidence=0.0, group_size=0, groups=0)


def _nothing(line: PoolLine) -> Chosen:
    return Chosen(id=line.id, sql=None, generator=None, confidence=0.0, group_size=0, groups=0)
