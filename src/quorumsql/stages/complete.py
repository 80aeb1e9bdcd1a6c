"""Finish what counts or adds up everything, where the question asks for one line per something.

What there is to be one row of is said at the end of a question (`units`).

What the words say is missing, or a flag of theirs, is asked for (`missing`), ages are those of
people (`ages`), ids that nobody asked for are names (`stand_for`), and those whole (`people`), and
shares are divided (`shares`). A result of nothing is looked at again: NULL may have made it so
(`nulls`).

What was chosen is finished, not what was written: a selector that reads has never seen parts of
dates, and its odds would say nothing.

What is not covered: times that generators cannot write; they are added after this (`when`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from quorumsql.domain import Attempt, Candidate, Choice, Execution, Group, Hit, Rows, Schema
from quorumsql.results import same_result
from quorumsql.stages.ages import aged
from quorumsql.stages.missing import supplied
from quorumsql.stages.nulls import without_nulls
from quorumsql.stages.people import whole_names
from quorumsql.stages.shares import divided
from quorumsql.stages.stand_for import names_for_ids
from quorumsql.stages.units import grouped, last_words, unnarrowed

__all__ = ["completed", "finished"]


def completed(
    candidates: tuple[Candidate, ...],
    choice: Choice,
    *,
    question: str,
    schema: Schema,
    run: Callable[[str], Execution],
    hits: Sequence[Hit] = (),
) -> tuple[tuple[Candidate, ...], Choice]:
    """Return candidates and choice, the chosen result finished where it stops short.

    Those that reach the same result are finished alike, each with one more attempt. The votes
    stay: they were for what was written, and a selector has judged that.

    Args:
        candidates: those that have run.
        choice: made among them.
        question: where it does not end in "by …", "per …" or "for each …", no row is split.
        schema: all of the database, since a table that is referred to may have to be joined.
        run: runs one statement.
        hits: stored values that the question mentions.

    Raises:
        DatabaseError: the database itself is gone.
    """
    chosen = choice.candidate
    if chosen is None:
        return candidates, choice
    supply = partial(supplied, question=question, schema=schema, run=run, hits=hits)
    found = finished(candidates, choice, chosen, supply, run, surely=True)
    candidates, choice = found or (candidates, choice)
    ways: list[Callable[[str], str | None]] = [
        lambda sql: aged(sql, question, schema),
        lambda sql: unnarrowed(sql, question, hits, schema),
        lambda sql: names_for_ids(sql, question, schema),
        lambda sql: whole_names(sql, question, schema),
    ]
    words = last_words(question, schema)
    if words is not None:
        ways.append(partial(grouped, words=words, question=question, schema=schema))
    ways.append(lambda sql: divided(sql, question, schema))
    for way in ways:
        found = finished(candidates, choice, chosen, way, run)
        candidates, choice = found or (candidates, choice)
    if _says_nothing(candidates[chosen].final.execution):
        better = partial(without_nulls, dialect=schema.dialect)
        found = finished(candidates, choice, chosen, better, run)
        candidates, choice = found or (candidates, choice)
    return candidates, choice


def _says_nothing(found: Execution | None) -> bool:
    """Whether there is no row, or one of zeros and NULL."""
    if not isinstance(found, Rows) or len(found.rows) > 1:
        return False
    return all(value is None or value == 0 for row in found.rows for value in row)


def finished(
    candidates: tuple[Candidate, ...],
    choice: Choice,
    chosen: int,
    way: Callable[[str], str | None],
    run: Callable[[str], Execution],
    *,
    surely: bool = False,
) -> tuple[tuple[Candidate, ...], Choice] | None:
    """Return candidates and choice with one result changed in this `way`; None where it is not.

    Args:
        candidates: those that have run.
        choice: made among them.
        chosen: the place of one that reached the result.
        way: the statement as it should be, None where it makes no sense.
        run: runs one statement.
        surely: also a result that is empty, or the one from before, is taken.
    """
    place = next(n for n, one in enumerate(choice.groups) if chosen in one.members)
    group = choice.groups[place]
    ran: dict[str, Attempt] = {}
    for before in dict.fromkeys(candidates[i].sql for i in (chosen, *group.members)):
        sql = way(before)
        if sql is not None:
            ran[before] = Attempt(sql=sql, execution=run(sql))
    found = ran.get(candidates[chosen].sql)
    if found is None or not isinstance(found.execution, Rows):
        return None
    if not surely and (_agree(found, candidates[chosen].final) or not found.execution.rows):
        return None
    done = list(candidates)
    for index in group.members:
        own = ran.get(candidates[index].sql)
        if own is not None and _agree(own, found):
            done[index] = candidates[index].after(own)
    kept = tuple(i for i in group.members if _agree(done[i].final, found))
    left = tuple(i for i in group.members if i not in kept)
    groups = list(choice.groups)
    groups[place] = replace(group, members=kept)
    if left:
        groups.append(Group(members=left, votes=0.0))
    return tuple(done), replace(choice, groups=tuple(groups))


def _agree(one: Attempt, other: Attempt) -> bool:
    found, wanted = one.execution, other.execution
    return isinstance(found, Rows) and isinstance(wanted, Rows) and same_result(found, wanted)
