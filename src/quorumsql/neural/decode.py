"""Beam search under a grammar: only token sequences that are SQL can come out.

Scores are log probabilities among the actions that the grammar allows, as in training, so
hypotheses of different length compare without a length penalty.

What is not covered: running the SQL. `stages.refine` prunes the beam by execution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from quorumsql.domain import ColumnRef
from quorumsql.forms.grammar import (
    COLUMN,
    GUESS,
    KEYWORDS,
    ONE,
    SPAN,
    TABLE,
    Grammar,
    State,
    terminal_of,
)
from quorumsql.forms.linear import ONE_VALUE, TableRef, Token
from quorumsql.forms.tree import SpanRef, Value
from quorumsql.neural.tokenise import Encoded

__all__ = ["Hypothesis", "Stepper", "beam_search"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
KEYWORD = {word: number for number, word in enumerate(KEYWORDS)}
MAX_DEPTH = 3
"""Subqueries inside subqueries; real questions do not go deeper."""


class Stepper(Protocol):
    """Advances hypotheses by one action: (actions (B,), step, past) → scores (B, A), past."""

    def __call__(
        self, actions: npt.NDArray[np.int64], step: int, past: Floats
    ) -> tuple[Floats, Floats]:
        """Return unmasked scores and the past with one more step."""
        ...


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished token sequence and its log probability."""

    tokens: tuple[Token, ...]
    score: float


@dataclass(frozen=True, slots=True)
class _Partial:
    state: State
    tokens: tuple[Token, ...]
    score: float
    action: int
    beside: int
    depth: int


def beam_search(
    stepper: Stepper,
    encoded: Encoded,
    grammar: Grammar,
    *,
    relation: Sequence[float],
    past: Floats,
    width: int,
    max_steps: int,
) -> tuple[Hypothesis, ...]:
    """Return up to `width` finished hypotheses, best first.

    `relation` holds what is added to a span's score for each way in which it can relate to
    the column written before it; `past` is the empty past (2L, 1, 0, D).
    """
    space = _Space(encoded, grammar, np.array(relation, np.float32))
    live = [_Partial(grammar.start, (), 0.0, space.begin, -1, 0)]
    rows = np.zeros(1, np.int64)
    done: list[Hypothesis] = []
    for step in range(max_steps):
        last = np.array([partial.action for partial in live], np.int64)
        scores, past = stepper(last, step, past[:, rows])
        totals = np.stack([space.totals(p, line) for p, line in zip(live, scores, strict=True)])
        extended: list[_Partial] = []
        kept: list[int] = []
        for row, action in _best(totals, 2 * width):
            partial = space.extend(live[row], action, float(totals[row, action]))
            if partial.state.finished:
                done.append(Hypothesis(partial.tokens, partial.score))
            elif len(extended) < width:
                extended.append(partial)
                kept.append(row)
        done = sorted(done, key=lambda hypothesis: -hypothesis.score)[:width]
        full = len(done) == width
        live = [p for p in extended if not (full and p.score <= done[-1].score)]
        if not live:
            break
        rows = np.array(kept[: len(live)], np.int64)  # `extended` is sorted: the best remain
    return tuple(done)


class _Space:
    """The actions of one question: [keywords | columns | tables | spans], and one to begin."""

    def __init__(self, encoded: Encoded, grammar: Grammar, relation: Floats) -> None:
        words, columns = len(KEYWORDS), len(encoded.columns)
        tables, spans = len(encoded.tables), max(1, len(encoded.spans))
        self._grammar = grammar
        self._pointers: tuple[Token, ...] = (
            *encoded.columns,
            *map(TableRef, encoded.tables),
            *(SpanRef(number) for number in range(spans)),
        )
        self.begin = words + len(self._pointers)
        self._ranges = {
            COLUMN: slice(words, words + columns),
            TABLE: slice(words + columns, words + columns + tables),
            SPAN: slice(words + columns + tables, words + columns + tables + len(encoded.spans)),
        }
        self._bonus = relation[encoded.relation]
        self._masks: dict[tuple[frozenset[str], bool], Bools] = {}

    def totals(self, partial: _Partial, scores: Floats) -> Floats:
        """Log probability of `partial` with each action; -inf where the grammar forbids it."""
        if partial.beside >= 0:
            scores = scores.copy()
            scores[self._ranges[SPAN]] += self._bonus[partial.beside]
        masked = np.where(self._mask(partial), scores, -np.inf)
        top = masked.max()
        if not np.isfinite(top):
            return masked
        log_sum = top + np.log(np.exp(masked - top).sum())
        total: Floats = masked - log_sum + np.float32(partial.score)
        return total

    def _mask(self, partial: _Partial) -> Bools:
        allowed = self._grammar.allowed(partial.state)
        deep = partial.depth >= MAX_DEPTH
        mask = self._masks.get((allowed, deep))
        if mask is None:
            mask = np.zeros(self.begin, bool)
            for terminal in allowed:
                mask[self._ranges.get(terminal, KEYWORD.get(terminal, 0))] = True
            if deep:
                mask[KEYWORD["("]] = False
            self._masks[allowed, deep] = mask
        return mask

    def extend(self, partial: _Partial, action: int, score: float) -> _Partial:
        """Return `partial` with one more token."""
        words = len(KEYWORDS)
        token: Token = KEYWORDS[action] if action < words else self._pointers[action - words]
        token = VALUES.get(token, token) if isinstance(token, str) else token
        deeper = (token == "(") - (token == ")")
        return _Partial(
            state=self._grammar.step(partial.state, terminal_of(token)),
            tokens=(*partial.tokens, token),
            score=score,
            action=action,
            beside=action - words if isinstance(token, ColumnRef) else partial.beside,
            depth=partial.depth + deeper,
        )


VALUES: Mapping[str, Value] = {ONE: ONE_VALUE, GUESS: Value("", guessed=True)}


def _best(totals: Floats, count: int) -> list[tuple[int, int]]:
    """Rows and columns of the `count` largest finite numbers, largest first."""
    flat = totals.ravel()
    count = min(count, int(np.isfinite(flat).sum()))
    top = np.argpartition(-flat, max(count - 1, 0))[:count]
    top = top[np.argsort(-flat[top], kind="stable")]
    return [divmod(int(place), totals.shape[1]) for place in top]
