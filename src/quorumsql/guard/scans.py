"""Which table nodes of a statement read a stored table, and which a name of its own WITH.

When in doubt it is a stored table: its filter then shows nothing that may not be read, whichever
of the two the engine takes it for. So a name counts as the statement's own only where every engine
of the dialect agrees: spelled alike, defined before, and for a recursive one outside its anchor.

What is not covered: whether a stored table of that name exists.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

__all__ = ["scans"]

_IGNORING_CASE = frozenset({"sqlite", "duckdb"})
_FOLDING_TO_LOWER = frozenset({"postgres", "redshift"})
_ALWAYS_RECURSIVE = frozenset({"sqlite", "tsql", "oracle"})


def scans(tree: exp.Expr, dialect: str) -> list[exp.Table]:
    """Return the nodes below `tree` that read stored tables; functions in FROM are none."""
    return list(_scans(tree, dialect, frozenset()))


def _scans(node: exp.Expr, dialect: str, own: frozenset[str]) -> Iterator[exp.Table]:
    clause = node.args.get("with_")
    if isinstance(clause, exp.With):
        recursive = bool(clause.recursive) or dialect in _ALWAYS_RECURSIVE
        for cte in clause.expressions:
            name = _spelled(cte.args["alias"].this, dialect)
            yield from _definition(cte.this, dialect, own, name if recursive else None)
            own |= {name}
    if isinstance(node, exp.Table) and _is_stored(node, dialect, own):
        yield node
    for child in node.iter_expressions():
        if child is not clause:
            yield from _scans(child, dialect, own)


def _definition(
    body: exp.Expr, dialect: str, own: frozenset[str], name: str | None
) -> Iterator[exp.Table]:
    """The scans of one WITH entry; a recursive one knows its name outside of its anchor."""
    if name is None or not isinstance(body, exp.SetOperation):
        yield from _scans(body, dialect, own)
        return
    if body.args.get("with_") is not None:  # its own names come first; in doubt, stored
        yield from _scans(body, dialect, own)
        return
    yield from _definition(body.left, dialect, own, name)
    for child in body.iter_expressions():
        if child is not body.left:
            yield from _scans(child, dialect, own | {name})


def _is_stored(node: exp.Table, dialect: str, own: frozenset[str]) -> bool:
    if not isinstance(node.this, exp.Identifier):
        return False
    if node.args.get("db") or node.args.get("catalog"):
        return True
    return _spelled(node.this, dialect) not in own


def _spelled(name: exp.Expr, dialect: str) -> str:
    """The name as the dialect compares it; where engines differ, exactly as it is written."""
    text = name.name
    quoted = isinstance(name, exp.Identifier) and bool(name.args.get("quoted"))
    if dialect in _IGNORING_CASE:
        return "".join(c.lower() if c.isascii() else c for c in text)
    if dialect in _FOLDING_TO_LOWER:
        return text if quoted else "".join(c.lower() if c.isascii() else c for c in text)
    return f'"{text}"' if quoted and dialect != "mysql" else text
