"""What may be said to a remote model of a database's own words.

Messages of databases quote values ("invalid input syntax: 'Jane Doe'"). Where no row value may
leave the machine, only those words stay that the statement or the schema holds already, or that
messages of databases are made of.

What is not covered: messages in other languages than English; little of them stays.
"""

from __future__ import annotations

import re

from quorumsql.domain import Execution, Failure, Schema

__all__ = ["safe_execution"]

_WORD = re.compile(r"\w+", re.UNICODE)
_PLAIN = frozenset(
    "a aggregate ambiguous an and are argument arguments as at be binder by cannot cap cast "
    "catalog clause column columns compare comparison conversion could datatype date default did "
    "division does duplicate each elements error exist exists expected expression few for found "
    "from function functions group grouped has have having hint holds in incomplete input integer "
    "into invalid is it join like limit line many mean misuse mismatch missing more must name near "
    "no not number of on only operator or order out parameter parser permission position query "
    "range reached refused relation result row rows run same schema seconds select side sql "
    "statement statements subquery such syntax table tables term text than that the this time "
    "timed to token too type types unique unknown unrecognized use used using value values view "
    "was where window with within without wrong you zero".split()
)


def safe_execution(execution: Execution, sql: str, schema: Schema) -> Execution:
    """Return `execution`; the message of a failure loses every word that could be a value."""
    if not isinstance(execution, Failure):
        return execution
    names = [table.name for table in schema.tables]
    names += [column.name for table in schema.tables for column in table.columns]
    known = {word.casefold() for text in (sql, *names) for word in _WORD.findall(text)} | _PLAIN
    message = _WORD.sub(lambda m: m[0] if m[0].casefold() in known else "…", execution.message)
    return Failure(kind=execution.kind, message=message)
