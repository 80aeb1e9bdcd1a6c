"""What is made of an object is made once, for the last few objects."""

from __future__ import annotations

from quorumsql.kept import MOST, Kept


def test_what_was_made_is_kept_for_objects_that_take_turns() -> None:
    made: list[list[str]] = []

    def make(key: list[str]) -> int:
        made.append(key)
        return len(made)

    kept = Kept(make)
    one, other = ["a"], ["a"]
    assert [kept.of(key) for key in (one, other, one, other)] == [1, 2, 1, 2]
    assert len(made) == 2
    for number in range(MOST):
        kept.of([str(number)])
    assert kept.of(one) == MOST + 3
