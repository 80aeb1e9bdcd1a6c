"""Lessons made harder for the reader: the same way for all candidates of a question."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from quorumsql.neural.reader import ReaderTokeniser
from quorumsql.train.blur import Blur
from quorumsql.train.data import MASK

QUESTION = "Which country has the tallest singer?"
TEXTS = (
    (QUESTION, "select country from singer where nation = 'country'", "1 rows", "singer: height"),
    (QUESTION, "select height from singer", "2 rows", "singer: country, height"),
)


def words(text: str) -> list[str]:
    return text.replace(",", "").replace(":", "").split()


def test_names_change_alike_in_all_candidates_and_values_never() -> None:
    first, second = Blur(0.0, 1.0).renamed(TEXTS, random.Random(4))
    assert (first[0], first[2]) == (QUESTION, "1 rows")
    assert words(first[1])[0] == "select" and "'country'" in first[1]
    assert words(first[1])[1] == words(second[3])[1] and words(second[1])[1] == words(first[3])[1]
    assert words(first[1])[3] == words(second[1])[3]
    assert [first, second] != list(TEXTS)


def test_without_a_share_nothing_changes() -> None:
    assert Blur(0.0, 0.0).renamed(TEXTS, random.Random(4)) == list(TEXTS)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_pieces_of_the_question_are_hidden_and_no_others(
    tokenizer: Path, seed: int
) -> None:
    read = ReaderTokeniser(tokenizer)
    pages = [read.page(*text) for text in TEXTS]
    hidden = Blur(0.5, 0.0).hidden(pages, random.Random(seed))
    gone = [[n for n, i in enumerate(page.ids) if i == MASK] for page in hidden]
    asked = int((pages[0].part == 0).sum())
    assert gone[0] == gone[1] and gone[0] and 0 < min(gone[0]) and max(gone[0]) < asked - 1
    assert all((a.match == b.match).all() for a, b in zip(pages, hidden, strict=True))
    assert all(MASK not in page.ids for page in pages)
