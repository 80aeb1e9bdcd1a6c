"""Node types of sqlglot that a reading query can contain; all others are refused.

What is not covered: functions, which are nodes of few types but many names (see `functions`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from sqlglot import exp

__all__ = ["ALLOWED"]


def _node_types(bases: Iterable[type[exp.Expr]], names: str) -> frozenset[type[exp.Expr]]:
    """All node types below `bases`, and those named, as far as this sqlglot has them."""
    types = {t for t in vars(exp).values() if inspect.isclass(t) and issubclass(t, exp.Expr)}
    by_name = {getattr(exp, name, None) for name in names.split()}
    return frozenset(t for t in types if issubclass(t, tuple(bases)) or t in by_name)


# Bases hold what computes a value; the names below are all else a reading query can contain.
# Types that name an object of the catalogue ('secrets'::regclass) are left out on purpose.
ALLOWED = _node_types(
    (exp.Func, exp.Binary, exp.Unary, exp.Predicate, exp.JSONPathPart, exp.SetOperation),
    """
    Select Subquery Values With CTE RecursiveWithSearch TableAlias From Join Lateral
    TableFromRows Where PreWhere Group Cube Rollup GroupingSets Having Qualify Order Ordered
    Limit LimitOptions Offset Fetch Distinct Table TableSample TableColumn Pivot PivotAlias
    PivotAny UnpivotColumns Window WindowSpec Tuple Alias Aliases Nearest Connect Prior Final
    IndexTableHint ColumnDef Column Pseudocolumn PositionalColumn Identifier Literal Null Boolean
    Star Var Bracket Slice Lambda Interval IntervalSpan AtTimeZone FromTimeZone AtIndex Filter
    WithinGroup IgnoreNulls RespectNulls HavingMax DataType DataTypeParam
    CharacterSet Introducer National BitString HexString ByteString RawString
    UnicodeString Heredoc Comprehension Variadic TranslateCharacters OverflowTruncateBehavior
    OnCondition JSON JSONPath FormatJson JSONKeyValue JSONColumnDef JSONSchema JSONValue
    JSONExtractQuote OpenJSONColumnDef XMLNamespace
    """,
) - {exp.NextValueFor}
