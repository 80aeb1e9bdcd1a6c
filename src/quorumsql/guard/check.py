"""Decide from the text alone whether a statement may run: exactly one, and it only reads.

The whole parse tree is checked against an allow-list of node types and one of functions, so that
what is new or unknown is refused, against functions that reach outside the query (files, network,
other SQL given as text), wait, lock or administer, and against the engine's own catalogues. A
statement that does not parse is an error, never a guess.

What is not covered: this is the first of two fences. Each engine's own means (a read-only
session, an authorizer, time limits) stand behind it and hold where the engine reads a text
differently than sqlglot, where a stored function writes, and against statements that are merely
expensive.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from quorumsql.dialects import known_dialect
from quorumsql.domain import Failure
from quorumsql.guard.catalogues import inside_of_engine
from quorumsql.guard.expansion import expands_too_far
from quorumsql.guard.fields import call_as_field
from quorumsql.guard.functions import is_denied, is_pure
from quorumsql.guard.layout import LONGEST, bracketed_limits, nested_too_deeply, oddity
from quorumsql.guard.nodes import ALLOWED
from quorumsql.guard.types import bad_type

__all__ = ["check", "parse"]

_NO_VIEWS: Final[Mapping[str, str]] = MappingProxyType({})


def check(
    sql: str,
    *,
    dialect: str,
    functions: Collection[str] = (),
    views: Mapping[str, str] = _NO_VIEWS,
) -> Failure | None:
    """Return None when `sql` may run, otherwise why not: `refused`, or `error` if it is no SQL.

    Args:
        sql: the text as it would reach the engine.
        dialect: sqlglot's name of the engine's SQL; an unknown one gets the strictest rules.
        functions: names of further functions that the user vouches for.
        views: definitions of views by their names in lower case: they count as if written.
    """
    found = parse(sql, dialect=dialect, functions=functions, views=views)
    return found if isinstance(found, Failure) else None


def parse(
    sql: str,
    *,
    dialect: str,
    functions: Collection[str] = (),
    views: Mapping[str, str] = _NO_VIEWS,
) -> exp.Expr | Failure:
    """Return the tree of `sql` when it may run, otherwise the failure that `check` returns."""
    if len(sql) > LONGEST:
        return _refusal(f"the statement has {len(sql):,} characters, more than {LONGEST:,}")
    dialect = dialect.lower()
    known = Dialect.get_or_raise(known_dialect(dialect))
    try:
        tokens = known.tokenize(sql)
        failure = _check_tokens(tokens, sql, dialect)
        if failure is not None:
            return failure
        trees = known.parser().parse(bracketed_limits(tokens), sql)
        tree = next(tree for tree in trees if tree is not None)
        vouched = frozenset(name.lower() for name in functions)
        failure = _check_tree(tree, dialect, vouched)
        if failure is None and expands_too_far(tree, dialect, views):
            failure = _refusal(TOO_FAR)
        return failure or tree
    except ParseError as error:
        return Failure(kind="error", message=_where(error))
    except SqlglotError as error:
        text = " ".join(str(error).split())
        message = f"The SQL cannot be read: {text}. Is every quote and comment closed?"
        return Failure(kind="error", message=message)
    except RecursionError:
        return Failure(kind="error", message=TOO_DEEP)


def _check_tokens(tokens: list[Token], sql: str, dialect: str) -> Failure | None:
    """Check what can be seen without parsing: how many statements, and how the first begins."""
    words = [token for token in tokens if token.token_type is not TokenType.SEMICOLON]
    if not words:
        return Failure(kind="error", message="There is no SQL: the statement is empty.")
    failure = _check_start(words[0])
    if failure is not None:
        return failure
    end = next((t for t in tokens if t.token_type is TokenType.SEMICOLON), None)
    if end is not None and words[-1].start > end.start:
        return _refusal(f"more than one statement; the second follows the ';' in line {end.line}")
    inside = next((word for word in _bodies(words) if word in STATEMENTS - PARSED), "")
    if inside:
        return _refusal(f"{inside} is not a query; only SELECT may run, also inside of brackets")
    odd = oddity(sql, tokens, dialect)
    if odd:
        return _refusal(odd)
    if nested_too_deeply(tokens):
        return Failure(kind="error", message=TOO_DEEP)
    return _check_calls(words, dialect)


def _bodies(words: list[Token]) -> Iterator[str]:
    """The first words of what stands in brackets where a query can stand.

    That is after FROM, JOIN and AS. Elsewhere a column can stand there as well, after which comes
    no further word; what is left in doubt is for the tree (`_is_statement`).
    """
    for before, bracket, word, after in zip(words, words[1:], words[2:], words[3:], strict=False):
        if bracket.token_type is not TokenType.L_PAREN or word.token_type is TokenType.IDENTIFIER:
            continue
        if before.text.upper() in {"FROM", "JOIN", "AS"}:
            is_body = after.text.upper() not in {".", "(", "JOIN", "CROSS", "LEFT", "INNER"}
        else:
            named = before.token_type in {TokenType.VAR, TokenType.IDENTIFIER}  # f(comment x)
            is_body = not named and _is_word(after)
        if is_body:
            yield word.text.upper().partition(" ")[0]


def _is_word(token: Token) -> bool:
    """Whether a word comes that goes on a statement; operators are not of these kinds, but two."""
    return token.token_type in WORDS and token.text.upper() not in {"AT", "SOUNDS"}


def _check_start(first: Token) -> Failure | None:
    word = first.text.upper()
    if word in STARTS:
        return None
    if word in STATEMENTS:
        return _refusal(f"{word} is not a query; only SELECT may run")
    message = f"This is not an SQL query: it begins with {first.text[:40]!r}."
    return Failure(kind="error", message=message)


def _check_calls(words: list[Token], dialect: str) -> Failure | None:
    """Refuse denied names before a bracket, whatever the parser makes of them."""
    for token, following in pairwise(words):
        if following.token_type is TokenType.L_PAREN and token.token_type is not TokenType.STRING:
            if token.text[:1] not in "(),+-*/<>=|&" and is_denied(token.text, dialect):
                return _refusal(_why_denied(token.text))
    return None


def _check_tree(tree: exp.Expr, dialect: str, vouched: frozenset[str]) -> Failure | None:
    if not isinstance(tree, (exp.Query, exp.Values)):
        return _refusal(f"{_called(tree)} is not a query; only SELECT may run")
    for node in tree.walk():
        if type(node) not in ALLOWED:
            return _refusal(f"{_called(node)} is not allowed, only reading is", node, dialect)
        reason = _bad_node(node, dialect, vouched)
        if reason:
            return _refusal(reason, node, dialect)
    call = call_as_field(tree, dialect, vouched)
    if call is not None:
        return _refusal("what looks like a field may be a call of a function", call, dialect)
    return None


def _bad_node(node: exp.Expr, dialect: str, vouched: frozenset[str]) -> str:
    """Why a node of an allowed kind may not stand in a query, "" when it may."""
    match node:
        case exp.Func():
            return _bad_function(node, dialect, vouched)
        case exp.Dot():
            return _bad_method(node, dialect)
        case exp.Table():
            return _bad_table(node, dialect)
        case exp.DataType():
            return bad_type(node, dialect)
        case exp.Alias():
            return _bad_alias(node)
        case exp.In():
            field = node.args.get("field")
            if isinstance(field, exp.Column) and inside_of_engine(field, dialect):
                return f"the table {field.name} shows the engine's inside"
    return ""


def _bad_function(node: exp.Func, dialect: str, vouched: frozenset[str]) -> str:
    unknown = isinstance(node, UNKNOWN)
    names = [node.name] if unknown else node.sql_names()
    for name in names:
        if name.lower() in vouched:
            return ""
        if is_denied(name, dialect):
            return _why_denied(name)
        if name.lower() == "pg_typeof" and not isinstance(node.parent, exp.Cast):
            # A number beside it would be taken for a type, and show the names of tables.
            return "the function pg_typeof may only stand as pg_typeof(…)::text"
    if unknown and not is_pure(node.name, dialect):
        return (
            f"the function {node.name[:60]} is not known to only compute; whoever knows it can "
            "list it as 'functions' in the configuration"
        )
    return ""


def _bad_method(node: exp.Dot, dialect: str) -> str:
    """Check `package.f(x)`, and `(x).f`, which PostgreSQL may read as `f(x)`."""
    package, method = node.this.name, node.expression.name
    if re.match(r"(dbms|utl)_", package, re.IGNORECASE):
        return f"the package {package} reaches outside the query, waits or administers"
    if dialect in WITH_STRUCTS or not isinstance(node.expression, exp.Identifier):
        return ""
    inside = dialect == "postgres" and method.lower().startswith("pg_")
    return _why_denied(method) if inside or is_denied(method, dialect) else ""


def _bad_table(node: exp.Table, dialect: str) -> str:
    alone = isinstance(node.parent, exp.Subquery) and not node.args.get("joins")
    if alone and _is_statement(node.this):
        return f"{node.name.upper()} is not a query; write a table of that name in quotes"
    if inside_of_engine(node, dialect):
        return f"the table {node.name} shows the engine's inside"
    if dialect == "duckdb" and FILE.search(node.name):
        return f"{node.name!r} is a file or an address, not a table of this database"
    return ""


def _bad_alias(node: exp.Alias) -> str:
    """Check `(SHOW tables)`: as an expression in brackets nothing has an alias."""
    column = node.this
    if not isinstance(column, exp.Column) or isinstance(node.parent, exp.Query):
        return ""
    return f"{column.name.upper()} is not a query" if _is_statement(column.this) else ""


def _is_statement(name: exp.Expr) -> bool:
    """Whether a name in brackets is one only to us: DuckDB takes `(SHOW tables)` for a query."""
    quoted = isinstance(name, exp.Identifier) and bool(name.args.get("quoted"))
    return not quoted and name.name.upper() in STATEMENTS


def _why_denied(name: str) -> str:
    return f"the function {name.lower()} reaches outside the query, waits or administers"


def _refusal(reason: str, node: exp.Expr | None = None, dialect: str = "") -> Failure:
    """A refusal that quotes the offending piece of the statement."""
    piece = ""
    if node is not None:
        known = known_dialect(dialect)
        text = node.sql(dialect=known, comments=False, unsupported_level=ErrorLevel.IGNORE)
        piece = f": {text if len(text) <= 80 else text[:79] + '…'}"
    return Failure(kind="refused", message=" ".join(f"Refused: {reason}{piece}.".split()))


def _called(node: exp.Expr) -> str:
    """What people call this kind of node."""
    special = {"lock": "locking rows (FOR UPDATE or FOR SHARE)", "into": "SELECT INTO"}
    return special.get(node.key, node.key.upper())


def _where(error: ParseError) -> str:
    first = error.errors[0] if error.errors else {}
    what = str(first.get("description") or error).split(" but got <Token")[0].rstrip(".")
    near = f"{first.get('start_context') or ''}{first.get('highlight') or ''}"[-40:]
    place = f" in line {first['line']}, near {near.strip()!r}" if first.get("line") else ""
    return f"The SQL cannot be parsed{place}: {' '.join(what.split())}."


TOO_FAR = (
    "parts of the statement repeat each other so many times that planning it alone would take "
    "minutes: name a part in WITH … AS MATERIALIZED, or repeat it less often"
)
TOO_DEEP = "The SQL is nested too deeply to be checked."

STARTS = frozenset({"SELECT", "WITH", "VALUES", "FROM", "TABLE", "("})

# Statements that are SQL but no query: saying so is kinder than "cannot be parsed".
STATEMENTS = frozenset(
    """
    ABORT ALTER ANALYSE ANALYZE ATTACH AUDIT BACKUP BEGIN BINLOG CALL CHANGE CHECK CHECKPOINT
    CHECKSUM CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE DELETE DESC DESCRIBE
    DETACH DISCARD DO DROP END EXEC EXECUTE EXPLAIN EXPORT FETCH FLUSH GRANT HANDLER HELP IMPORT
    INSERT INSTALL KILL LISTEN LOAD LOCK MERGE MOVE NOTIFY OPTIMIZE PRAGMA PREPARE PURGE
    REASSIGN REFRESH REINDEX RELEASE RENAME REPAIR REPLACE RESET RESTORE REVOKE ROLLBACK
    SAVEPOINT SECURITY SET SHOW SHUTDOWN SIGNAL START STOP SUMMARIZE TRUNCATE UNLISTEN UNLOCK
    UPDATE UPSERT USE VACUUM XA
    """.split()
)

# Of these sqlglot makes trees, so that the refusal can quote them.
PARSED = frozenset({"DELETE", "INSERT", "UPDATE"})

# What comes after the first word of a statement, and never after a column in brackets.
WORDS = frozenset(
    {
        *(TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING, TokenType.SELECT),
        *(TokenType.TABLE, TokenType.SCHEMA, TokenType.DATABASE, TokenType.WITH),
    }
)

# Functions that sqlglot does not know: their name is all that is known of them.
UNKNOWN = tuple(
    getattr(exp, name)
    for name in "Anonymous AnonymousAggFunc CombinedAggFunc ParameterizedAgg".split()
    if hasattr(exp, name)
)

# Dialects without packages, in which `(x).f` is always a field of a structure.
WITH_STRUCTS = frozenset({"sqlite", "duckdb", "mysql"})

# In DuckDB the name of a file or an address stands wherever the name of a table can stand.
FILE = re.compile(
    r"://|[*?\\]|\.(csv|tsv|txt|parquet|json[l]?|ndjson|geojson|avro|arrow|feather|orc|xlsx?|db|ddb"
    r"|duckdb|sqlite3?|vortex|lance|shp|gpkg|kml|dbf)(\.(gz|zst|bz2))?$",
    re.IGNORECASE,
)
