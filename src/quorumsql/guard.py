"""Decide from the text alone whether a statement may run: exactly one, and it only reads.

The whole parse tree is checked against an allow-list of node types, so that what is new or
unknown is refused, and every function against a deny-list of those that reach outside the query
(files, network, other SQL given as text), wait, lock or administer. A statement that does not
parse is an error, never a guess.

What is not covered: this is the first of two fences. Each engine's own means (a read-only
session, an authorizer, time limits) stand behind it and hold where the engine reads a text
differently than sqlglot, where a stored function writes, and against statements that are merely
expensive.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from quorumsql.domain import Failure

__all__ = ["check"]

LONGEST = 200_000  # characters; parsing time grows with length, and no question needs more


def check(sql: str, *, dialect: str) -> Failure | None:
    """Return None when `sql` may run, otherwise why not: `refused`, or `error` if it is no SQL.

    `dialect` is sqlglot's name of the engine's SQL; an unknown one gets the strictest rules.
    """
    if len(sql) > LONGEST:
        return _refusal(f"the statement has {len(sql):,} characters, more than {LONGEST:,}")
    dialect = dialect.lower()
    known = Dialect.get_or_raise(dialect if Dialect.get(dialect) else "")
    try:
        tokens = known.tokenize(sql)
        failure = _check_tokens(tokens, sql, dialect)
        if failure is not None:
            return failure
        trees = known.parser().parse(tokens, sql)
        tree = next(tree for tree in trees if tree is not None)
        return _check_tree(tree, dialect)
    except ParseError as error:
        return Failure(kind="error", message=_where(error))
    except SqlglotError as error:
        text = " ".join(str(error).split())
        message = f"The SQL cannot be read: {text}. Is every quote and comment closed?"
        return Failure(kind="error", message=message)
    except RecursionError:
        return Failure(kind="error", message="The SQL is nested too deeply to be checked.")


def _check_tokens(tokens: list[Token], sql: str, dialect: str) -> Failure | None:
    """Check what can be seen without parsing: how many statements, and how the first begins."""
    words = [token for token in tokens if token.token_type is not TokenType.SEMICOLON]
    if not words:
        return Failure(kind="error", message="There is no SQL: the statement is empty.")
    first = words[0].text.upper()
    if first not in STARTS:
        if first in STATEMENTS:
            return _refusal(f"{first} is not a query; only SELECT may run")
        message = f"This is not an SQL query: it begins with {words[0].text[:40]!r}."
        return Failure(kind="error", message=message)
    end = next((t for t in tokens if t.token_type is TokenType.SEMICOLON), None)
    if end is not None and words[-1].start > end.start:
        return _refusal(f"more than one statement; the second follows the ';' in line {end.line}")
    if dialect not in WITHOUT_HIDDEN_SQL and _hides_sql(tokens, sql):
        return _refusal("a comment of the form /*! … */ or /*+ … */ is executed by the server")
    return None


def _hides_sql(tokens: list[Token], sql: str) -> bool:
    """Whether a comment begins like those that MySQL and MariaDB execute."""
    starts = [token.start for token in tokens] + [len(sql)]
    ends = [-1] + [token.end for token in tokens]
    gaps = (sql[end + 1 : start] for end, start in zip(ends, starts, strict=True))
    return any(re.search(r"/\*M?[!+]", gap) for gap in gaps)


def _check_tree(tree: exp.Expr, dialect: str) -> Failure | None:
    if not isinstance(tree, (exp.Query, exp.Values)):
        return _refusal(f"{_called(tree)} is not a query; only SELECT may run")
    denied = DENIED.get(dialect, EVERYTHING_DENIED)
    for node in tree.walk():
        if type(node) not in ALLOWED:
            return _refusal(f"{_called(node)} is not allowed, only reading is", node, dialect)
        reason = ""
        if isinstance(node, exp.Func):
            reason = _denied_function(node, denied)
        elif isinstance(node, exp.Dot) and dialect not in WITH_STRUCTS:
            reason = _denied_method(node, denied)
        elif isinstance(node, exp.Table):
            reason = _denied_table(node, dialect)
        if reason:
            return _refusal(reason, node, dialect)
    return None


def _denied_function(node: exp.Func, denied: re.Pattern[str]) -> str:
    names = [node.name] if isinstance(node, exp.Anonymous) else node.sql_names()
    for name in names:
        if denied.fullmatch(name):
            return f"the function {name.lower()} reaches outside the query, waits or administers"
    return ""


def _denied_method(node: exp.Dot, denied: re.Pattern[str]) -> str:
    """Check `package.f(x)`, and `(x).f`, which PostgreSQL may read as `f(x)`."""
    package, method = node.this.name, node.expression.name
    if re.match(r"(dbms|utl)_", package, re.IGNORECASE):
        return f"the package {package} reaches outside the query, waits or administers"
    if isinstance(node.expression, exp.Identifier) and denied.fullmatch(method):
        return f"the function {method} reaches outside the query, waits or administers"
    return ""


def _denied_table(node: exp.Table, dialect: str) -> str:
    if dialect == "sqlite" and re.match(r"pragma_|sqlite_db", node.name, re.IGNORECASE):
        return f"the table {node.name} shows the engine's inside"
    if dialect == "duckdb" and FILE.search(node.name):
        return f"{node.name!r} is a file or an address, not a table of this database"
    return ""


def _refusal(reason: str, node: exp.Expr | None = None, dialect: str = "") -> Failure:
    """A refusal that quotes the offending piece of the statement."""
    piece = ""
    if node is not None:
        known = dialect if Dialect.get(dialect) else ""
        text = node.sql(dialect=known, comments=False, unsupported_level=ErrorLevel.IGNORE)
        piece = f": {text if len(text) <= 80 else text[:79] + '…'}"
    return Failure(kind="refused", message=f"Refused: {reason}{piece}.")


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


STARTS = frozenset({"SELECT", "WITH", "VALUES", "FROM", "TABLE", "("})

# Statements that are SQL but no query: saying so is kinder than "cannot be parsed".
STATEMENTS = frozenset(
    """
    ABORT ALTER ANALYSE ANALYZE ATTACH AUDIT BACKUP BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT
    COMMIT COPY CREATE DEALLOCATE DECLARE DELETE DESC DESCRIBE DETACH DISCARD DO DROP END EXEC
    EXECUTE EXPLAIN EXPORT FETCH FLUSH GRANT HANDLER IMPORT INSERT INSTALL KILL LISTEN LOAD LOCK
    MERGE MOVE NOTIFY OPTIMIZE PRAGMA PREPARE PURGE REASSIGN REFRESH REINDEX RELEASE RENAME
    REPAIR REPLACE RESET RESTORE REVOKE ROLLBACK SAVEPOINT SECURITY SET SHOW SHUTDOWN START
    SUMMARIZE TRUNCATE UNLISTEN UNLOCK UPDATE UPSERT USE VACUUM
    """.split()
)

# Dialects whose servers ignore every comment, so that none can hide SQL from the parser.
WITHOUT_HIDDEN_SQL = frozenset({"sqlite", "postgres", "duckdb"})

# Dialects without packages, in which `(x).f` is always a field of a structure.
WITH_STRUCTS = frozenset({"sqlite", "duckdb", "mysql"})

# In DuckDB the name of a file or an address stands wherever the name of a table can stand.
FILE = re.compile(
    r"://|[*?\\]|\.(csv|tsv|txt|parquet|json[l]?|ndjson|geojson|avro|arrow|xlsx?|db|duckdb|sqlite3?)"
    r"(\.(gz|zst|bz2))?$",
    re.IGNORECASE,
)


def _node_types(bases: Iterable[type[exp.Expr]], names: str) -> frozenset[type[exp.Expr]]:
    """All node types below `bases`, and those named, as far as this sqlglot has them."""
    types = {t for t in vars(exp).values() if inspect.isclass(t) and issubclass(t, exp.Expr)}
    by_name = {getattr(exp, name, None) for name in names.split()}
    return frozenset(t for t in types if issubclass(t, tuple(bases)) or t in by_name)


# Bases hold what computes a value; the names below are all else a reading query can contain.
ALLOWED = _node_types(
    (exp.Func, exp.Binary, exp.Unary, exp.Predicate, exp.JSONPathPart, exp.SetOperation),
    """
    Select Subquery Values With CTE RecursiveWithSearch TableAlias From Join Lateral
    TableFromRows Where PreWhere Group Cube Rollup GroupingSets Having Qualify Order Ordered
    Limit LimitOptions Offset Fetch Distinct Table TableSample TableColumn Pivot PivotAlias
    PivotAny UnpivotColumns Window WindowSpec Tuple Alias Aliases Nearest Connect Prior Final
    IndexTableHint ColumnDef Column Pseudocolumn PositionalColumn Identifier Literal Null Boolean
    Star Var Bracket Slice Lambda Interval IntervalSpan AtTimeZone FromTimeZone AtIndex Filter
    WithinGroup IgnoreNulls RespectNulls HavingMax DataType DataTypeParam PseudoType
    ObjectIdentifier CharacterSet Introducer National BitString HexString ByteString RawString
    UnicodeString Heredoc Comprehension Variadic TranslateCharacters OverflowTruncateBehavior
    OnCondition JSON JSONPath FormatJson JSONKeyValue JSONColumnDef JSONSchema JSONValue
    JSONExtractQuote OpenJSONColumnDef XMLNamespace
    """,
) - {exp.NextValueFor}


def _names(text: str) -> str:
    """One pattern for words in which `*` stands for anything."""
    return "|".join(word.replace("*", ".*") for word in text.split())


_ANYWHERE = """
    load_extension readfile writefile load_file sleep benchmark next_value_for nextval setval
    xp_* sp_* openrowset opendatasource openquery external_query
    httpuritype to_file secret ai_* m_l_* a_i_* generate_text generate_table
    generate_bool generate_int generate_double generate_embedding net_func system[$]*
"""
_SQLITE = """
    load_extension readfile writefile edit fsdir lsdir lsmode zipfile zipfile_cds fts3_tokenizer
    sqlite_db* dbstat pragma_* csv sqlar_*
"""
_POSTGRES = """
    pg_sleep* pg_read_* pg_ls_* pg_stat_file pg_file_* pg_current_logfile pg_advisory_*
    pg_try_advisory_* pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile*
    pg_log_* pg_logical_* pg_replication_* pg_create_* pg_drop_* pg_copy_* pg_start_* pg_stop_*
    pg_backup_* pg_switch_* pg_wal_replay_* pg_promote pg_notify pg_export_snapshot pg_import_*
    pg_stat_reset* pg_stat_statements_reset pg_prewarm pg_autoprewarm* pg_clear_* pg_restore_*
    pg_set_* pg_hba_file_rules pg_ident_file_mappings pg_show_all_file_settings pg_execute_*
    pg_sync_* pg_replication_slot_* pg_extension_config_dump pg_nextoid pg_current_xact_id
    txid_current adminpack* lo_import lo_export lo_create lo_creat lo_open lo_close lo_unlink
    lo_put lo_get lo_from_bytea lo_truncate* lo_lseek* lo_tell* loread lowrite dblink* nextval
    setval set_config query_to_xml* cursor_to_xml* table_to_xml* schema_to_xml* database_to_xml*
    ts_stat ts_rewrite crosstab* connectby xpath_table brin_summarize_* brin_desummarize_*
    gin_clean_pending_list postgres_fdw_* http http_* schedule* unschedule amcheck bt_index_*
    verify_heapam plpgsql_call_handler set_limit
"""
_MYSQL = """
    load_file sleep benchmark get_lock release_lock release_all_locks master_pos_wait
    source_pos_wait master_gtid_wait wait_for_executed_gtid_set wait_until_sql_thread_after_gtids
    sys_exec sys_eval sys_get sys_set lib_mysqludf_* nextval setval lastval asynchronous_*
    group_replication_* mysql_firewall_* keyring_* service_get_* version_tokens_*
"""
_DUCKDB = """
    read_* *_scan *_scan_* *_attach *_query *_execute scan_* parquet_* glob sniff_csv delta_*
    iceberg_* st_read* st_drivers getenv nextval setval query query_table duckdb_secrets
    duckdb_settings duckdb_extensions which_secret load_aws_credentials http_* pragma_* checkpoint
    force_checkpoint python_map_function from_substrait* get_substrait* json_execute_serialized_sql
    write_log *able_logging *able_profiling shell* sql_auto_complete secret sleep_ms
"""
_CLICKHOUSE = """
    file url s3 s3cluster gcs hdfs hdfscluster remote remotesecure mysql postgresql mongodb redis
    sqlite jdbc odbc executable input dictionary cluster* azureblobstorage* deltalake* iceberg*
    hudi* urlcluster filecluster sleep sleepeachrow
"""


def _pattern(*texts: str) -> re.Pattern[str]:
    return re.compile("|".join(_names(text) for text in texts), re.IGNORECASE)


DENIED = {
    "sqlite": _pattern(_ANYWHERE, _SQLITE),
    "postgres": _pattern(_ANYWHERE, _POSTGRES),
    "mysql": _pattern(_ANYWHERE, _MYSQL),
    "duckdb": _pattern(_ANYWHERE, _DUCKDB),
    "clickhouse": _pattern(_ANYWHERE, _CLICKHOUSE),
}
EVERYTHING_DENIED = _pattern(_ANYWHERE, _POSTGRES, _MYSQL)
