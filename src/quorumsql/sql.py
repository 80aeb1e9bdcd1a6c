"""Small questions about one SQL text, answered from its parse tree.

`dialect` is sqlglot's name of the SQL ("sqlite", "postgres", …); a name that sqlglot does not
know is read as standard SQL. SQL that does not parse gets the answer that promises least.

What is not covered: whether a statement may run (`guard`), what its names mean (that needs the
schema), and statements that write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from quorumsql.dialects import known_dialect
from quorumsql.domain import ColumnRef, Kind, Table

__all__ = [
    "TRUTHS",
    "declared_kind",
    "first_rows",
    "has_conditions",
    "is_ordered",
    "names_in",
    "normalise",
    "parsed",
    "quote",
    "quote_table",
    "tables_of",
    "tree_edges",
    "tree_of",
]

TRUTHS = (("1", "0"), ("t", "f"), ("true", "false"), ("y", "n"), ("yes", "no"))
"""How databases write yes and no, in small letters."""
KEPT, SHORT = 512, 4_000
"""Trees that are kept, and the characters of a statement whose tree may be: an answer asks about
each of its statements a dozen times."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_ordered(sql: str, dialect: str) -> bool:
    """Return whether the outermost query has an ORDER BY, so that the order of rows counts."""
    tree = tree_of(sql, dialect)
    while isinstance(tree, exp.Subquery) and tree.args.get("order") is None:
        tree = tree.this
    return tree is not None and tree.args.get("order") is not None


def normalise(sql: str, dialect: str) -> str:
    """Return a text that is equal for SQL that differs only in layout.

    Layout is white space, comments, a final semicolon, the case of keywords and, where the
    dialect ignores it, the case of names. SQL that does not parse has its white space collapsed.
    """
    tree = parsed(sql, dialect)
    if tree is None:
        return " ".join(sql.split()).rstrip("; ")
    known = known_dialect(dialect)
    tree = normalize_identifiers(tree, dialect=known)
    return tree.sql(dialect=known, comments=False, unsupported_level=ErrorLevel.IGNORE)


def quote(name: str, dialect: str) -> str:
    """Return `name` as it must be written in SQL: quoted where the plain name could be misread.

    Plain names stay plain: ASCII letters, digits and underscores, no reserved word, and no
    letter that the dialect would change to the other case.
    """
    known = Dialect.get(dialect) or Dialect  # the class: a schema has hundreds of names
    reserved = SQLITE_RESERVED if dialect == "sqlite" else RESERVED
    plain = _PLAIN.fullmatch(name) and name.upper() not in reserved
    match known.NORMALIZATION_STRATEGY:
        case NormalizationStrategy.LOWERCASE:
            plain = plain and name == name.lower()
        case NormalizationStrategy.UPPERCASE:
            plain = plain and name == name.upper()
    return name if plain else exp.to_identifier(name, quoted=True).sql(dialect=known)


def quote_table(table: Table, dialect: str) -> str:
    """Return the name of `table` as SQL, with its namespace where it needs one."""
    name = quote(table.bare_name, dialect)
    return name if table.schema is None else f"{quote(table.schema, dialect)}.{name}"


def first_rows(query: str, count: int, dialect: str) -> str:
    """Return `query`, which has no limit yet, cut to its first `count` rows.

    A dialect that sqlglot does not know gets the words of the standard.
    """
    known = known_dialect(dialect)
    return f"{query} LIMIT {count}" if known else f"{query} FETCH FIRST {count} ROWS ONLY"


def tables_of(sql: str, dialect: str) -> tuple[str, ...]:
    """Return the names of the stored tables that `sql` reads, each once, as it is written.

    Their order means nothing. Names that the statement itself defines in WITH are left out.
    """
    tree = tree_of(sql, dialect)
    return tuple(dict.fromkeys(table.name for table in _stored_tables(tree)))


def has_conditions(sql: str, dialect: str) -> bool:
    """Whether `sql` leaves rows out: by WHERE, HAVING, OFFSET, or the rows of another SELECT.

    What cannot be read is taken to do so.
    """
    tree = tree_of(sql, dialect)
    kinds = (exp.Where, exp.Having, exp.Offset, exp.Except, exp.Intersect)
    return tree is None or tree.find(*kinds) is not None


def names_in(sql: str, dialect: str) -> tuple[tuple[str, ...], tuple[ColumnRef, ...]]:
    """Return `tables_of`, and the columns that `sql` names, each once, aliases of tables resolved.

    A column's `table` is "" where it is not qualified and its query reads more than one table.
    """
    tree = tree_of(sql, dialect)
    if tree is None:
        return (), ()
    tables = tuple(dict.fromkeys(table.name for table in _stored_tables(tree)))
    found: dict[ColumnRef, None] = {}
    aliases = {table.alias_or_name: table.name for table in _stored_tables(tree)}
    for column in tree.find_all(exp.Column):
        table = aliases.get(column.table, column.table) or _only_table(column)
        found[ColumnRef(table=table, column=column.name)] = None
    return tables, tuple(found)


def tree_edges(sql: str, dialect: str) -> tuple[tuple[str, str], ...]:
    """Return the edges of the parse tree, (above, below), names in lower case.

    Aliases of tables, and the tables that columns are qualified with, are left out: they differ
    between statements that mean the same. A statement that does not parse is one edge by itself.
    """
    tree = tree_of(sql, dialect)
    if tree is None:
        return (("", " ".join(sql.split()).lower()),)
    return tuple(
        ("" if node.parent is None else _labelled(node.parent), _labelled(node))
        for node in tree.walk(prune=_is_alias)
        if not _is_alias(node)
    )


def _is_alias(node: exp.Expr) -> bool:
    """Whether this only says which of several tables is meant."""
    return isinstance(node, exp.TableAlias) or (
        node.arg_key == "table" and isinstance(node.parent, exp.Column)
    )


def _labelled(node: exp.Expr) -> str:
    named = isinstance(node, exp.Identifier | exp.Literal)
    return f"{node.key} {node.name.lower()}" if named else node.key


def _only_table(column: exp.Column) -> str:
    """The one table of the query around `column`, or ""."""
    query = column.parent_select
    if not isinstance(query, exp.Select) or query.args.get("joins"):
        return ""
    source = query.args.get("from_")
    table = source.this if source is not None else None
    return table.name if isinstance(table, exp.Table) else ""


def _stored_tables(tree: exp.Expr | None) -> Iterator[exp.Table]:
    if tree is None:
        return
    defined = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table, bfs=False):
        if table.name and (table.db or table.name.lower() not in defined):
            yield table


def parsed(sql: str, dialect: str) -> exp.Expr | None:
    """Return the tree of the only statement in `sql`, or None. It is the caller's to change."""
    tree = tree_of(sql, dialect)
    return None if tree is None else tree.copy()


def tree_of(sql: str, dialect: str) -> exp.Expr | None:
    """Return the tree of the only statement in `sql`, or None. Others have it: do not change it."""
    return _kept(sql, dialect) if len(sql) <= SHORT else _read(sql, dialect)


def _read(sql: str, dialect: str) -> exp.Expr | None:
    try:
        read = known_dialect(dialect)
        trees = [tree for tree in sqlglot.parse(sql, read=read) if tree is not None]
    except (SqlglotError, RecursionError):
        return None
    trees = [tree for tree in trees if not isinstance(tree, exp.Semicolon)]
    return trees[0] if len(trees) == 1 else None


_kept = lru_cache(KEPT)(_read)


def declared_kind(declared: str) -> Kind | None:
    """Return what a declared type promises, None where it promises nothing."""
    upper = declared.upper()
    return next((kind for kind, words in _WORDS if any(w in upper for w in words)), None)


_WORDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    # Order matters as in SQLite's affinity rules: INTERVAL and POINT contain INT.
    ("other", ("[]", "ARRAY", "STRUCT(", "MAP(", "INT4RANGE", "INT8RANGE", "NUMRANGE", "TSRANGE")),
    ("other", ("TSTZRANGE", "DATERANGE", "MULTIRANGE")),
    ("text", ("ENUM(",)),  # whatever its labels say
    ("date", ("DATE", "TIME", "INTERVAL")),
    ("boolean", ("BOOL",)),
    ("other", ("BLOB", "BINARY", "BYTEA", "IMAGE", "GEOM", "POINT", "POLYGON", "LINESTRING")),
    ("number", ("INT", "REAL", "FLOA", "DOUB", "NUM", "DEC", "MONEY", "SERIAL", "BIT", "YEAR")),
    ("text", ("CHAR", "CLOB", "TEXT", "STRING", "ENUM", "UUID", "JSON", "XML")),
)


# What SQLite, or sqlglot's reading of it, cannot take as a plain name. SQLite takes most keywords.
SQLITE_RESERVED = frozenset(
    """
    ADD ALL ALTER AND ANTI ANY AS ASC ASOF AUTOINCREMENT BETWEEN BY CASE CAST CHECK COLLATE
    COMMIT CONSTRAINT CREATE CROSS CUBE CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER
    DEFAULT DEFERRABLE DELETE DESC DESCRIBE DISTINCT DROP ELSE END ESCAPE EXCEPT EXISTS FALSE
    FETCH FOR FOREIGN FROM FULL GLOB GRANT GROUP HAVING IF ILIKE IN INDEX INNER INSERT INTERSECT
    INTERVAL INTO IS ISNULL JOIN LATERAL LEFT LIKE LIMIT LOCK NATURAL NOT NOTHING NOTNULL NULL OF
    OFFSET ON OR ORDER OUTER PIVOT PRIMARY QUALIFY RAISE REFERENCES REGEXP RETURNING REVOKE RIGHT
    RLIKE ROLLBACK SELECT SEMI SET TABLE TABLESAMPLE THEN TO TRANSACTION TRUE UNION UNIQUE
    UNPIVOT UPDATE USING VALUES WHEN WHERE WINDOW WITH XOR
    """.split()
)

# Reserved in SQLite, PostgreSQL, MySQL, MariaDB or DuckDB. Quoting one too many does no harm.
RESERVED = frozenset(
    """
    ABORT ACCESSIBLE ADD ALL ALTER ANALYSE ANALYZE AND ANTI ANY ARRAY AS ASC ASENSITIVE ASOF
    ASYMMETRIC ATTACH AUTHORIZATION AUTOINCREMENT BEFORE BEGIN BETWEEN BIGINT BINARY BLOB BOTH BY
    CALL CASCADE CASE CAST CHANGE CHAR CHARACTER CHECK COLLATE COLLATION COLUMN COMMIT CONCURRENTLY
    CONDITION CONFLICT CONSTRAINT CONTINUE CONVERT CREATE CROSS CUBE CUME_DIST CURRENT
    CURRENT_CATALOG CURRENT_DATE CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP
    CURRENT_USER CURSOR DATABASE DATABASES DAY_HOUR DAY_MICROSECOND DAY_MINUTE DAY_SECOND DEC
    DECIMAL DECLARE DEFAULT DEFERRABLE DEFERRED DELAYED DELETE DENSE_RANK DESC DESCRIBE DETACH
    DETERMINISTIC DISTINCT DISTINCTROW DIV DO DOUBLE DROP DUAL EACH ELSE ELSEIF EMPTY ENCLOSED END
    ESCAPE ESCAPED EXCEPT EXCLUSIVE EXISTS EXIT EXPLAIN FALSE FETCH FIRST_VALUE FLOAT FLOAT4 FLOAT8
    FOR FORCE FOREIGN FREEZE FROM FULL FULLTEXT FUNCTION GENERATED GET GLOB GRANT GROUP GROUPING
    GROUPS HAVING HIGH_PRIORITY HOUR_MICROSECOND HOUR_MINUTE HOUR_SECOND IF IGNORE ILIKE IMMEDIATE
    IN INDEX INDEXED INFILE INITIALLY INNER INOUT INSENSITIVE INSERT INSTEAD INT INT1 INT2 INT3
    INT4 INT8 INTEGER INTERSECT INTERVAL INTO IO_AFTER_GTIDS IO_BEFORE_GTIDS IS ISNULL ITERATE JOIN
    JSON_TABLE KEY KEYS KILL LAG LAMBDA LAST_VALUE LATERAL LEAD LEADING LEAVE LEFT LIKE LIMIT
    LINEAR LINES LOAD LOCALTIME LOCALTIMESTAMP LOCK LONG LONGBLOB LONGTEXT LOOP LOW_PRIORITY
    MASTER_BIND MASTER_SSL_VERIFY_SERVER_CERT MATCH MATERIALIZED MAXVALUE MEDIUMBLOB MEDIUMINT
    MEDIUMTEXT MIDDLEINT MINUTE_MICROSECOND MINUTE_SECOND MOD MODIFIES NATURAL NOT NOTHING NOTNULL
    NO_WRITE_TO_BINLOG NTH_VALUE NTILE NULL NUMERIC OF OFFSET ON ONLY OPTIMIZE OPTIMIZER_COSTS
    OPTION OPTIONALLY OR ORDER OUT OUTER OUTFILE OVER OVERLAPS PARTITION PERCENT_RANK PIVOT
    PIVOT_LONGER PIVOT_WIDER PLACING PLAN POSITIONAL PRAGMA PRECISION PRIMARY PROCEDURE PURGE
    QUALIFY QUERY RAISE RANGE RANK READ READS READ_WRITE REAL RECURSIVE REFERENCES REGEXP REINDEX
    RELEASE RENAME REPEAT REPLACE REQUIRE RESIGNAL RESTRICT RETURN RETURNING REVOKE RIGHT RLIKE
    ROLLBACK ROW ROWS ROW_NUMBER SAVEPOINT SCHEMA SCHEMAS SECOND_MICROSECOND SELECT SEMI SENSITIVE
    SEPARATOR SESSION_USER SET SHOW SIGNAL SIMILAR SMALLINT SOME SPATIAL SPECIFIC SQL SQLEXCEPTION
    SQLSTATE SQLWARNING SQL_BIG_RESULT SQL_CALC_FOUND_ROWS SQL_SMALL_RESULT SSL STARTING STORED
    STRAIGHT_JOIN SUMMARIZE SYMMETRIC SYSTEM TABLE TABLESAMPLE TEMP TEMPORARY TERMINATED THEN
    TINYBLOB TINYINT TINYTEXT TO TRAILING TRANSACTION TRIGGER TRUE UNDO UNION UNIQUE UNLOCK UNPIVOT
    UNSIGNED UPDATE USAGE USE USER USING UTC_DATE UTC_TIME UTC_TIMESTAMP VACUUM VALUES VARBINARY
    VARCHAR VARCHARACTER VARIADIC VARYING VERBOSE VIEW VIRTUAL WHEN WHERE WHILE WINDOW WITH WITHIN
    WITHOUT WRITE XOR YEAR_MONTH ZEROFILL
    """.split()
)
