"""Judge predictions as the official Spider evaluation does: execution and exact-set match.

Execution: the prediction's result is the gold query's on every database of its folder, by
`score_rows.same_as_spider`. Exact-set match: all components match, by `exact_match`.

Source: Zhong, Yu, Klein 2020, "Semantic Evaluation for Text-to-SQL with Distilled Test Suites", its
released evaluation (test-suite-sql-eval at e97acc5). docs/scoring.md lists the accidents that are
reproduced and the intended differences.

What is not covered: SParC's and CoSQL's turns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

from quorumsql.domain import Failure, Row
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.evals.exact_match import (
    Links,
    OfficialStops,
    components,
    hardness,
    linked_columns,
    prepare,
)
from quorumsql.evals.exact_parse import EMPTY, Catalog, Query, parse
from quorumsql.evals.exact_words import NotParsed
from quorumsql.evals.score_items import Item, Options, Status, Verdict
from quorumsql.evals.score_judge import JudgeBase, Remembered, database_files, unscored
from quorumsql.evals.score_plug import plugged, ways
from quorumsql.evals.score_rows import Expected, same_as_spider
from quorumsql.evals.score_sqlite import SqliteRunner
from quorumsql.evals.score_text import official_prediction, runnable, with_year

__all__ = ["SpiderJudge", "read_links"]

_GOLDS: Final = 32
_OPEN: Final = 64
_PLUGGED: Final = 10_000
"""The official script tries all ways to fill in values, of which there may be millions."""


class SpiderJudge(JudgeBase):
    """Execution where the metric is `spider`, exact match where tables.json is given."""

    def __init__(self, options: Options) -> None:
        """Read tables.json, if any.

        Raises:
            UsageError: it cannot be read, or exact match is asked for without it.
        """
        super().__init__(options)
        self._links = read_links(options.tables) if options.tables else None
        if options.metric == "spider-exact" and self._links is None:
            raise UsageError("Exact-set match needs Spider's tables.json: give it with --tables.")
        self._runners: Remembered[SqliteRunner] = Remembered(_OPEN, SqliteRunner.close)
        self._files: Remembered[tuple[Path, ...]] = Remembered(_OPEN)
        self._golds: Remembered[Expected | Failure] = Remembered(_GOLDS)
        self._catalogs: Remembered[Catalog] = Remembered(_OPEN)
        self._queries: Remembered[tuple[Query, str]] = Remembered(_GOLDS)

    def verdict(self, item: Item, prediction: str) -> Verdict:
        """Return both verdicts as far as they are wanted."""
        line = official_prediction(prediction)
        found = Verdict(position=item.position, status="unscored")
        if self.options.metric == "spider":
            found = self._execution(item, line)
        return found if self._links is None else self._with_exact(item, line, found)

    def missing(self, item: Item) -> Verdict:
        """A prediction that is not there is wrong by both metrics that are wanted."""
        found = super().missing(item)
        runs = self.options.metric == "spider"
        return replace(
            found, exec=False if runs else None, exact=None if self._links is None else False
        )

    def close(self) -> None:
        """Close the databases."""
        for runner in self._runners.values():
            runner.close()
        self._runners.clear()

    def _execution(self, item: Item, line: str) -> Verdict:
        gold = runnable(item.gold, keep_distinct=self.options.keep_distinct)
        ordered = "order by" in gold.lower()
        written = runnable(line, keep_distinct=self.options.keep_distinct)
        found = self._on_all(item, gold, written, ordered)
        if found.exec is not False or not self.options.plug_value:
            return found
        for sql in islice(plugged(gold, written), _PLUGGED):
            filled = self._on_all(item, gold, with_year(sql), ordered)
            if filled.exec:
                return filled
        if ways(gold, written) > _PLUGGED:
            return unscored(item, f"more than {_PLUGGED:,} ways to fill in values")
        return found

    def _on_all(self, item: Item, gold: str, sql: str, ordered: bool) -> Verdict:
        """Hold one statement against gold on every database, up to the first where it fails."""
        position = item.position
        for path in self._paths(item.db_id):
            expected = self._golds.get_or_make((path, gold), partial(self._gold, path, gold))
            if isinstance(expected, Failure):
                return unscored(item, f"gold does not run on {path.name}", failure=expected)
            found = self._runner(path).run(sql, most=len(expected.rows))
            if isinstance(found, Failure):
                return Verdict(
                    position=position, status=found.kind, exec=False, reason=found.message
                )
            if not same_as_spider(expected, found, ordered=ordered):
                return Verdict(position=position, status="wrong", exec=False)
        return Verdict(position=position, status="right", exec=True)

    def _gold(self, path: Path, gold: str) -> Expected | Failure:
        rows: list[Row] | Failure = self._runner(path).run(gold)
        return rows if isinstance(rows, Failure) else Expected(rows)

    def _with_exact(self, item: Item, line: str, found: Verdict) -> Verdict:
        """Add exact match to a verdict; alone it is the verdict."""
        try:
            prepared, hard = self._queries.get_or_make(
                (item.db_id, item.gold), lambda: self._gold_query(item)
            )
        except (NotParsed, OfficialStops, KeyError, DatabaseError) as error:
            why = f"no exact match, gold is not read: {error}"
            return replace(found, reason=_both(found.reason, why), status=_worst(found))
        exact, why = self._exact(item.db_id, line, prepared)
        status: Status = found.status
        if self.options.metric == "spider-exact":
            status = "unscored" if exact is None else "right" if exact else "wrong"
        return replace(
            found, exact=exact, hardness=hard, reason=_both(found.reason, why), status=status
        )

    def _gold_query(self, item: Item) -> tuple[Query, str]:
        assert self._links is not None
        catalog = self._catalog(item.db_id)
        if item.db_id not in self._links:
            raise NotParsed(f"tables.json does not describe {item.db_id!r}")
        query = parse(item.gold, catalog)
        return prepare(query, catalog, self._links[item.db_id]), hardness(query)

    def _exact(self, db_id: str, line: str, gold: Query) -> tuple[bool | None, str]:
        """Return the verdict, None where the official script ends with an error, and why."""
        assert self._links is not None
        catalog, why = self._catalog(db_id), ""
        try:
            query = parse(line, catalog)
        except NotParsed as error:
            query, why = EMPTY, f"not read by the official parser: {error}"
        try:
            prepared = prepare(query, catalog, self._links[db_id])
            return all(components(gold, prepared).values()), why
        except OfficialStops as error:
            return None, f"the official script stops here: {error}"

    def _catalog(self, db_id: str) -> Catalog:
        path = self._paths(db_id)[0]
        return self._catalogs.get_or_make(path, lambda: Catalog.of(self._runner(path).tables()))

    def _paths(self, db_id: str) -> tuple[Path, ...]:
        folder = self.options.db_dir
        assert folder is not None
        return self._files.get_or_make(db_id, lambda: database_files(folder, db_id, suite=True))

    def _runner(self, path: Path) -> SqliteRunner:
        return self._runners.get_or_make(path, lambda: SqliteRunner(path, limits=self.limits))


def read_links(path: Path) -> Mapping[str, Links]:
    """Return for every database of a tables.json which columns its foreign keys make equal.

    Raises:
        UsageError: the file cannot be read or has another form.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
        found = {str(entry["db_id"]): linked_columns(entry) for entry in entries}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: is not Spider's tables.json: {error}.") from error
    return MappingProxyType(found)


def _both(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def _worst(found: Verdict) -> Status:
    """Without a verdict on its execution, an item whose gold is not read has none."""
    return found.status if found.exec is not None else "unscored"
