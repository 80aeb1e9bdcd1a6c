"""Beam search: whatever the scores, only trees come out; the best are found."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest

from quorumsql.domain import ColumnRef
from quorumsql.forms.grammar import KEYWORDS, Grammar, State, terminal_of
from quorumsql.forms.linear import FORMS, parse
from quorumsql.neural.decode import Hypothesis, beam_search
from quorumsql.neural.spans import Span
from quorumsql.neural.tokenise import Encoded

Floats = npt.NDArray[np.float32]
COLUMNS = (ColumnRef(table="t", column="a"), ColumnRef(table="u", column="b"))
ACTIONS = len(KEYWORDS) + 5


def encoded() -> Encoded:
    none = np.zeros(0, np.int64)
    return Encoded(
        ids=none, position=none, features=none, item=none, chunk=none, columns=COLUMNS,
        tables=("t", "u"), spans=(Span(0, 1, "x", "name"),), span_bounds=none,
        relation=np.array([[2], [0]]), pairs=none,
    )  # fmt: skip


class Table:
    """Scores that depend only on the last action; counts how it is called."""

    def __init__(self, scores: Floats) -> None:
        self.scores, self.widths = scores, list[int]()

    def __call__(
        self, actions: npt.NDArray[np.int64], step: int, past: Floats
    ) -> tuple[Floats, Floats]:
        assert past.shape[1:3] == (len(actions), step)
        self.widths.append(len(actions))
        grown = np.concatenate((past, np.ones((2, len(actions), 1, 4), np.float32)), axis=2)
        return self.scores[actions], grown


def search(table: Table, form: str, width: int, steps: int = 60) -> tuple[Hypothesis, ...]:
    return beam_search(
        table, encoded(), Grammar(form), relation=[0.0, 0, 2.0, 0, 0],
        past=np.zeros((2, 1, 0, 4), np.float32), width=width, max_steps=steps,
    )  # fmt: skip


@pytest.mark.parametrize(("form", "seed"), list(itertools.product(FORMS, range(12))))
def test_only_sentences_of_the_grammar_come_out(form: str, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(0, 3, (ACTIONS + 1, ACTIONS)).astype(np.float32)
    scores[:, KEYWORDS.index("end")] += 4  # random text would go on for ever
    grammar = Grammar(form)
    for hypothesis in search(Table(scores), form, 5):
        state = grammar.start
        for token in hypothesis.tokens:
            state = grammar.step(state, terminal_of(token))
        assert state.finished
        assert hypothesis.score <= 0
        parse(hypothesis.tokens, form)


def test_hypotheses_come_best_first_and_are_distinct() -> None:
    scores = np.random.default_rng(3).normal(0, 1, (ACTIONS + 1, ACTIONS)).astype(np.float32)
    scores[:, KEYWORDS.index("end")] += 5
    found = search(Table(scores), "columns", 8)
    assert len(found) > 3
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    assert len({h.tokens for h in found}) == len(found)


def test_probabilities_are_normalised_over_what_the_grammar_allows() -> None:
    """With equal scores, `select` is certain and the item after it one of the allowed."""
    found = search(Table(np.zeros((ACTIONS + 1, ACTIONS), np.float32)), "columns", 500, steps=3)
    shortest = [h for h in found if len(h.tokens) == 3]
    first = len(Grammar("columns").allowed(after_select())) + len(COLUMNS) - 1
    assert shortest
    assert all(math.exp(h.score) <= 1 / first + 1e-6 for h in shortest)


def after_select() -> State:
    grammar = Grammar("columns")
    return grammar.step(grammar.start, "select")


def test_endless_text_is_given_up() -> None:
    scores = np.zeros((ACTIONS + 1, ACTIONS), np.float32)
    scores[:, KEYWORDS.index("+")] = 50  # sums of sums of sums …
    table = Table(scores)
    assert search(table, "columns", 4, steps=20) == ()
    assert len(table.widths) == 20


def test_subqueries_do_not_nest_for_ever() -> None:
    scores = np.zeros((ACTIONS + 1, ACTIONS), np.float32)
    for word in ("where", "(", "=", "not"):
        scores[:, KEYWORDS.index(word)] = 9
    found = search(Table(scores), "columns", 3, steps=72)
    assert all(h.tokens.count("(") <= 6 for h in found)
