"""The votes in a terminal: whole shares, short names, and how the answer was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import quorum
from quorumsql.cli.output import page, shapes, show_answer
from quorumsql.cli.votes import by_share, how_chosen, share
from quorumsql.domain import Answer, Choice, Group, Rows, Usage
from scripted import ran

LONG = "SELECT 'The quick brown fox jumps over the lazy dog again'"
SCRIPT = {
    "embedded/columns": ["SELECT 1", LONG, "SELECT 2"],
    "embedded/plan": ["SELECT 1", LONG, "SELECT 3"],
    "embedded/tables": ["SELECT 1", LONG, "SELECT 4"],
}


def votes(shop: Path, *, columns: int, script: dict[str, list[str]]) -> list[str]:
    """The lines of the vote on a terminal so wide."""
    done = quorum("ask", "--db", shop, "What?", script=script, env={"COLUMNS": str(columns)})
    lines = done.stdout.partition("Votes\n")[2].partition("\n\n")[0].splitlines()
    assert all(len(line) <= columns for line in lines)
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("columns", [60, 80])
def test_shares_and_the_mark_are_whole(shop: Path, columns: int) -> None:
    first, second, *rest = votes(shop, columns=columns, script=SCRIPT)
    assert first == "▸  57%  columns, plan, tables  one value: 1"
    assert second.startswith("   29%  columns, plan, tables  one value: The quick")
    assert second.endswith("…") and len(rest) == 3
    assert all(line.startswith("    5%  ") for line in rest)


def test_names_are_counted_where_they_do_not_fit(shop: Path) -> None:
    script = {f"a_generator_with_a_long_name_{n}": ["SELECT 1"] for n in range(4)}
    (line,) = votes(shop, columns=60, script=script)
    assert line == "▸ 100%  4 of 4  one value: 1"


def test_names_that_would_be_the_same_stay_whole(shop: Path) -> None:
    script = {"embedded/plan": ["SELECT 1"], "plan": ["SELECT 1"]}
    assert votes(shop, columns=80, script=script) == ["▸ 100%  embedded/plan, plan  one value: 1"]


def answer_of(rule: str, shares: list[float], chosen: int, **more: object) -> Answer:
    pool = tuple(ran(f"SELECT {n}", (n,), generator=f"g{n}") for n in range(len(shares)))
    groups = tuple(Group(members=(n,), votes=share) for n, share in enumerate(shares))
    choice = Choice(candidate=chosen, groups=groups, confidence=0.5, rule=rule)  # type: ignore[arg-type]
    return Answer(
        question="q", sql="SELECT 1", execution=Rows(columns=("n",), rows=((1,),)),
        confidence=0.5, choice=choice, candidates=pool, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_it_is_said_how_an_answer_was_chosen() -> None:
    asked = {"usage_by_stage": {"choose": Usage(calls=1)}}
    assert how_chosen(answer_of("unanimous", [0.5, 0.5], 0)) == "first choices agree"
    assert how_chosen(answer_of("unanimous", [1.0], 0)) == "only one generator answered"
    assert how_chosen(answer_of("vote", [0.6, 0.4], 0)) == "by vote"
    assert how_chosen(answer_of("judged", [0.6, 0.4], 0)) == "chosen by the selector"
    against = answer_of("judged", [0.6, 0.4], 1)
    assert how_chosen(against) == "chosen by the selector, against the vote"
    by_model = answer_of("judged", [0.6, 0.4], 1, **asked)
    assert how_chosen(by_model) == "chosen by the model, against the vote"


def test_other_results_stand_by_their_share(capsys: pytest.CaptureFixture[str]) -> None:
    answer = answer_of("judged", [0.2, 0.1, 0.4, 0.3], 1)
    order = [group.votes for group in by_share(answer.choice.groups, 1)]
    assert order == [0.1, 0.4, 0.3, 0.2]
    with page() as console:
        show_answer(console, answer, limit=5)
    shown = capsys.readouterr().out
    assert "▸  10%" in shown and shown.index("40%") < shown.index("30%") < shown.index("20%")


def test_results_that_look_alike_are_told_by_their_columns_and_then_by_their_rows() -> None:
    def rows(name: str, *values: int) -> Rows:
        return Rows(columns=(name,), rows=tuple((value,) for value in values))

    assert shapes([rows("id", 1, 2), rows("id", 3, 4), rows("name", 1, 2), rows("id", 5)]) == [
        "2 rows: id = 1, …",
        "2 rows: id = 3, …",
        "2 rows: name",
        "one value: 5",
    ]
    assert shapes([rows("id", 1, 2), rows("id", 1, 2, 3), None]) == [
        "2 rows × 1 column",
        "3 rows × 1 column",
        "did not run",
    ]


def test_a_small_share_is_not_shown_as_none() -> None:
    assert [share(votes) for votes in (0.0, 0.004, 0.006, 1.0)] == ["0%", "<1%", "1%", "100%"]
