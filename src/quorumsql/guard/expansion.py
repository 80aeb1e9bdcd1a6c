"""How large a statement becomes when an engine puts its parts into each other.

Planners put what a name stands for into its place: a view, a WITH entry and each column of a
subquery that is merged into the query around it. So a few hundred characters can stand for millions
of nodes, and for minutes and gigabytes before the first row, which no progress handler of SQLite
interrupts:

    WITH a AS (SELECT x + x AS x FROM t), b AS (SELECT x + x AS x FROM a), ... SELECT x FROM z

The estimate here is an upper bound in units of about one node, made in one pass over the tree: how
much a query costs, how heavy each of its columns is, and into how many arms of UNION ALL a query
over it is copied. Aggregates, windows, recursion and MATERIALIZED end what columns carry.

What is not covered: the columns of stored tables, of which a star counts as sixteen; what a planner
does to order very many joins; tables whose columns are computed from each other many times over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from quorumsql.guard.clauses import (
    alternatives,
    arms_of,
    betweens,
    conjuncts,
    is_join,
    own_names,
    sorted_by_number,
    view_query,
    window_text,
)

__all__ = ["MOST_ADDED", "expands_too_far"]

MOST_ADDED = 100_000
"""Units beyond what is written: about half a second of SQLite, and 30 MB."""

_MOST_STEPS = 1_000_000  # of this estimate
_BIG = 1 << 40
_SELECT = 8  # a SELECT costs about as much as so many nodes
_STAR = 16


class _TooMuchWork(Exception):
    """The estimate itself takes too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What a query is to the query around it.

    `columns` are weights by name, `other` that of names not among them, `whole` that of a star.
    An `open` one has columns whose names are not known. A `fixed` one is computed by itself: only
    conditions are put into it.
    """

    cost: int = 1
    arms: int = 1
    pushes: int = 1
    columns: Mapping[str, int] = field(default_factory=dict)
    other: int = 1
    whole: int = _STAR
    open: bool = False
    fixed: bool = False

    @property
    def heaviest(self) -> int:
        return max(self.columns.values(), default=self.other)


_STORED = _Shape(open=True)


@dataclass(slots=True)
class _Scope:
    """What the names in one SELECT stand for, the scope around it, and what was counted in it.

    `shared` counts the joins that put a column of each side into one (USING; "" for NATURAL).
    `calls` are aggregates, `over` functions over windows, `specs` those windows.
    """

    outer: _Scope | None
    sources: dict[str, _Shape] = field(default_factory=dict)
    unnamed: list[_Shape] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    specs: set[str] = field(default_factory=set)
    calls: int = 0
    over: int = 0
    merged: dict[bool, tuple[dict[str, int], int]] = field(default_factory=dict)

    def all(self) -> Iterator[_Shape]:
        yield from self.sources.values()
        yield from self.unnamed


@dataclass(slots=True)
class _Entry:
    """A WITH entry or a view; its shape is made when it is first read."""

    query: exp.Expr
    names: tuple[str, ...]
    scope: _Scope | None
    known: _Known | None
    fixed: bool = False
    shape: _Shape | None = None
    being_made: bool = False
    recursive: bool = False
    paid: bool = False


@dataclass(slots=True)
class _Known:
    """The WITH entries that a query sees."""

    entries: dict[str, _Entry]
    outer: _Known | None


def expands_too_far(tree: exp.Expr, dialect: str, views: Mapping[str, str]) -> bool:
    """Whether an engine would make much more of `tree` than is written.

    Args:
        tree: of a statement.
        dialect: sqlglot's name of the engine's SQL.
        views: the definitions of views by their names in lower case.
    """
    try:
        estimate = _Estimate(tree, dialect, views)
        cost = estimate.query(tree, None, None).cost
    except _TooMuchWork:
        return True
    return cost > MOST_ADDED + 2 * estimate.steps


class _Estimate:
    """One pass over one statement. `steps` counts the nodes that were looked at."""

    def __init__(self, tree: exp.Expr, dialect: str, views: Mapping[str, str]) -> None:
        self.steps = 0
        self._dialect = dialect
        self._texts = views
        self._views: dict[str, _Entry | None] = {}
        # What is read twice PostgreSQL computes once, by itself; others copy it each time.
        once = tree.find_all(exp.Table) if dialect == "postgres" else ()
        self._reads = Counter(table.name.lower() for table in once)

    def query(self, node: exp.Expr, scope: _Scope | None, known: _Known | None) -> _Shape:
        """The shape of a query inside of `scope`."""
        known = self._with(node, scope, known)
        if isinstance(node, exp.Subquery) and not node.args.get("joins"):
            inner = self.query(node.this, scope, known)
            rest = self._rest(node, ("this", "alias", "with_"), scope, known)
            return replace(inner, cost=_capped(inner.cost + rest))
        if isinstance(node, exp.SetOperation):
            return self._compound(node, scope, known)
        if isinstance(node, exp.Select):
            return self._select(node, scope, known)
        return _Shape(cost=self._rest(node, ("with_",), scope, known))

    def _with(self, node: exp.Expr, scope: _Scope | None, known: _Known | None) -> _Known | None:
        clause = node.args.get("with_")
        if not isinstance(clause, exp.With):
            return known
        known = _Known({}, known)
        for cte in clause.expressions:
            fixed = bool(cte.args.get("materialized"))
            known.entries[cte.alias.lower()] = _Entry(cte.this, own_names(cte), scope, known, fixed)
        for entry in known.entries.values():
            self._entered(entry)  # in their order, so that a long chain is not a deep one
        return known

    def _entered(self, entry: _Entry) -> _Shape:
        """The shape of an entry, made once."""
        if entry.being_made:
            entry.recursive = True
            return _STORED
        if entry.shape is None:
            entry.being_made = True
            found = self._under(self.query(entry.query, entry.scope, entry.known), entry.names)
            entry.being_made = False
            if entry.fixed or entry.recursive:
                found = replace(found, arms=1, pushes=1, fixed=True)
            entry.shape = found
        return entry.shape

    def _under(self, shape: _Shape, names: tuple[str, ...]) -> _Shape:
        """The shape with its columns called so."""
        if not names:
            return shape
        self._spend(len(names))
        weights = list(shape.columns.values())
        if len(weights) != len(names):
            weights = [max(shape.heaviest, shape.other)] * len(names)
        return replace(shape, columns=dict(zip(names, weights, strict=True)), open=False)

    def _compound(
        self, node: exp.SetOperation, scope: _Scope | None, known: _Known | None
    ) -> _Shape:
        """Arms side by side; a chain of them is a tree that leans to the left."""
        arms, nodes = arms_of(node)
        shapes = [self.query(arm, scope, known) for arm in arms]
        rest = sum(self._rest(one, ("this", "expression", "with_"), scope, known) for one in nodes)
        heaviest = max(max(one.heaviest, one.other) for one in shapes)
        self._spend(len(shapes[0].columns))
        plain = all(isinstance(one, exp.Union) and not one.args.get("distinct") for one in nodes)
        return _Shape(
            cost=_capped(sum(one.cost for one in shapes) + rest),
            arms=_capped(sum(one.arms for one in shapes)) if plain else 1,
            pushes=_capped(sum(one.pushes for one in shapes)),
            columns=dict.fromkeys(shapes[0].columns, heaviest),
            other=heaviest if shapes[0].open or not shapes[0].columns else 1,
            whole=max(one.whole for one in shapes),
            open=shapes[0].open,
            fixed=all(one.fixed for one in shapes),
        )

    def _select(self, node: exp.Select, outer: _Scope | None, known: _Known | None) -> _Shape:
        scope = _Scope(outer)
        self._sources(node, scope, known)
        for window in node.args.get("windows") or ():
            weight = self._rest(window, ("this", "alias"), scope, known)
            scope.windows[window.name.lower()] = weight
        whole, columns = self._selected(node, scope, known)
        scope.aliases = columns
        own = whole + self._conditions(node, scope, known)
        skipped = ("expressions", "from_", "joins", "laterals", "where", "with_", "windows")
        own += self._rest(node, skipped, scope, known)
        own += sorted_by_number(node) * max(columns.values(), default=1)
        # Each window is a query around the one before; aggregates are compared with each other.
        own += len(scope.specs) * own + (scope.calls**2 + scope.over**2) // 8
        shapes = list(scope.all())
        grouped = bool(node.args.get("group") or node.args.get("having") or scope.calls)
        copied = 1
        for one in shapes:
            copied = _capped(copied * one.arms)
        if grouped or scope.over or node.args.get("distinct"):
            copied = 1
        inside = sum(one.cost * max(1, copied // one.arms) for one in shapes)
        starred = any(item.is_star for item in node.expressions)
        return _Shape(
            cost=_capped(_SELECT + own * copied + inside),
            arms=copied,
            columns=columns,
            other=max((one.other for one in shapes), default=1) if starred else 1,
            whole=whole,
            open=starred and any(one.open for one in shapes),
            fixed=grouped or scope.over > 0,
        )

    def _sources(self, node: exp.Select, scope: _Scope, known: _Known | None) -> None:
        start = node.args.get("from_")
        found = [start.this] if start is not None else []
        joins = [*(node.args.get("joins") or ())]
        found += [*(join.this for join in joins), *(node.args.get("laterals") or ())]
        while found:
            source = found.pop()
            self._spend(1)
            inner = source.args.get("joins") or ()
            found += [join.this for join in inner]
            joins += inner
            if isinstance(source, exp.Subquery) and is_join(source.this):
                found.append(source.this)  # brackets around a join
                continue
            shape = self._source(source, scope, known)
            scope.merged.clear()  # LATERAL may have looked at what stood there before
            name = source.alias_or_name.lower()
            if name and name not in scope.sources:
                scope.sources[name] = shape
            else:
                scope.unnamed.append(shape)
        for join in joins:
            shared = [column.name.lower() for column in join.args.get("using") or ()]
            for name in shared or ([""] if join.method == "NATURAL" else []):
                scope.shared[name] = scope.shared.get(name, 0) + 1

    def _source(self, node: exp.Expr, scope: _Scope, known: _Known | None) -> _Shape:
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            entry = self._entry(node, known)
            if entry is None:
                return _STORED
            shape = self._entered(entry)
            if self._reads[node.name.lower()] > 1:
                cost, entry.paid = 1 if entry.paid else shape.cost, True
                shape = replace(shape, cost=cost, arms=1, pushes=1, fixed=True)
            return self._under(shape, own_names(node))
        if isinstance(node, exp.Lateral):
            node = node.this
        if isinstance(node, exp.Subquery):
            return self._under(self.query(node, scope, known), own_names(node))
        return _Shape(cost=self._rest(node, ("alias", "joins"), scope, known), open=True)

    def _entry(self, node: exp.Table, known: _Known | None) -> _Entry | None:
        name = node.name.lower()
        while known is not None and not node.db:
            self._spend(1)
            if name in known.entries:
                return known.entries[name]
            known = known.outer
        if name not in self._views:
            query = view_query(self._texts.get(name, ""), self._dialect)
            self._views[name] = None if query is None else _Entry(query, (), None, None)
        return self._views[name]

    def _selected(
        self, node: exp.Select, scope: _Scope, known: _Known | None
    ) -> tuple[int, dict[str, int]]:
        """What the selected columns weigh: together, and by name."""
        whole = 0
        columns: dict[str, int] = {}
        for number, item in enumerate(node.expressions):
            if item.is_star:
                weight = self._star(item, scope, columns)
            else:
                weight = self._weight(item, scope, known)
                name = item.alias_or_name.lower() or str(number)
                columns[name] = max(columns.get(name, 1), weight)
                if self._dialect != "sqlite":  # DuckDB reads an alias in the next column already
                    scope.aliases[name] = columns[name]
            whole = _capped(whole + weight)
        return whole, columns

    def _star(self, item: exp.Expr, scope: _Scope, columns: dict[str, int]) -> int:
        table = item.table.lower() if isinstance(item, exp.Column) else ""
        found = [scope.sources[table]] if table in scope.sources else list(scope.all())
        weight = 0
        for shape in found:
            self._spend(len(shape.columns))
            weight += len(shape.columns) or _STAR if shape.fixed else shape.whole
            for name, one in shape.columns.items():
                columns[name] = max(columns.get(name, 1), 1 if shape.fixed else one)
        return _capped(weight)

    def _conditions(self, node: exp.Select, scope: _Scope, known: _Known | None) -> int:
        """What WHERE and ON weigh: they go into subqueries, and into each alternative of an OR."""
        joins = node.args.get("joins") or ()
        where = node.args.get("where")
        parts = [*(join.args.get("on") for join in joins), where.this if where else None]
        terms = [term for part in parts if part is not None for term in conjuncts(part)]
        weighed = [(self._weight(term, scope, known, pushed=True), term) for term in terms]
        total = sum(weight for weight, _ in weighed)
        ways = [alternatives(term) * (total - weight) for weight, term in weighed]
        spread = sum(sorted((w for w in ways if w), reverse=True)[: len(joins) + 1])
        pushes = max((shape.pushes for shape in scope.all()), default=1)
        return _capped(total * pushes + (spread if self._dialect == "sqlite" else 0))

    def _rest(
        self, node: exp.Expr, but: tuple[str, ...], scope: _Scope | None, known: _Known | None
    ) -> int:
        """What the parts of `node` weigh, but for those with these names."""
        total = 1
        for name, value in node.args.items():
            if name in but:
                continue
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, exp.Expr):
                    total += self._weight(part, scope, known)
        return _capped(total)

    def _weight(
        self, node: exp.Expr, scope: _Scope | None, known: _Known | None, *, pushed: bool = False
    ) -> int:
        """What an expression weighs when everything is put into the places of names."""
        total = 0
        stack = [node]
        while stack:
            one = stack.pop()
            self._spend(1)
            total += 1
            if isinstance(one, (exp.Select, exp.SetOperation, exp.Subquery)):
                total += self.query(one, scope, known).cost
            elif isinstance(one, exp.Column) and not one.is_star:
                total += self._named(one, scope, pushed=pushed) - 1
            else:
                total += self._counted(one, scope)
                stack.extend(one.iter_expressions())
        return _capped(total)

    def _counted(self, node: exp.Expr, scope: _Scope | None) -> int:
        """What is copied for a node besides itself; counts aggregates and windows."""
        if isinstance(node, exp.Between):
            return betweens(node) ** 2
        if scope is None:
            return 0
        if isinstance(node, exp.Window):
            scope.over += 1
            scope.specs.add(window_text(node))
            return scope.windows.get(node.alias.lower(), 0)
        scope.calls += isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window)
        return 0

    def _named(self, column: exp.Column, scope: _Scope | None, *, pushed: bool) -> int:
        """What stands in the place of a column."""
        name, table = column.name.lower(), column.table.lower()
        inner, weight = scope, 1
        while table and inner is not None:
            self._spend(1)
            found = inner.sources.get(table)
            if found is not None:
                alone = found.fixed and not pushed
                return 1 if alone else found.columns.get(name, found.other)
            inner = inner.outer
        while scope is not None:
            self._spend(1)
            known, other = self._merged(scope, pushed=pushed)
            weight = max(weight, known.get(name, other), scope.aliases.get(name, 1))
            weight += scope.shared.get(name, 0) + scope.shared.get("", 0)
            if name in known:
                return weight
            scope = scope.outer
        return weight

    def _merged(self, scope: _Scope, *, pushed: bool) -> tuple[dict[str, int], int]:
        """The columns of all sources: those of one name may be put beside each other (USING)."""
        if pushed not in scope.merged:
            columns: dict[str, int] = {}
            other = 1
            for shape in scope.all():
                self._spend(len(shape.columns))
                alone = shape.fixed and not pushed
                other = other if alone else max(other, shape.other)
                for name, weight in shape.columns.items():
                    columns[name] = _capped(columns.get(name, 0) + (1 if alone else weight))
            scope.merged[pushed] = columns, other
        return scope.merged[pushed]

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > _MOST_STEPS:
            raise _TooMuchWork


def _capped(number: int) -> int:
    return min(number, _BIG)
