"""The vote in a terminal: a line per result, and in words how one of them was chosen.

What is not covered: the rules by which one is chosen (`stages.choose`, `stages.weigh`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from quorumsql.domain import Answer, Candidate, Group

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["RULES", "by_share", "how_chosen", "share", "vote_table"]

RULES: Final = {
    "unanimous": "first choices agree",
    "vote": "by vote",
    "judged": "chosen by the selector",
    "approved": "an approved example asks the same",
    "none": "nothing to vote on",
    "follow-up": "changed from the answer before",
}
_SHARE: Final = 6  # "▸ 100%"
_APART: Final = 2


def how_chosen(answer: Answer) -> str:
    """Return in a few words how the answer was chosen among the results.

    Who chooses is a language model only where one was asked to; else the selector that ships.
    """
    choice = answer.choice
    voters = {answer.candidates[i].generator for group in choice.groups for i in group.members}
    if voters == {"follow-up"}:
        return RULES["follow-up"]
    if len(voters) == 1 and choice.rule == "unanimous":
        return "only one generator answered"
    if choice.rule != "judged":
        return RULES[choice.rule]
    words = "chosen by the model" if "choose" in answer.usage_by_stage else RULES["judged"]
    most = max((group.votes for group in choice.groups), default=0.0)
    own = next((g.votes for g in choice.groups if choice.candidate in g.members), most)
    return f"{words}, against the vote" if own < most else words


def by_share(groups: Sequence[Group], chosen: int | None) -> list[Group]:
    """Return groups by their share of the vote, that of the chosen candidate first."""
    return sorted(groups, key=lambda group: (chosen not in group.members, -group.votes))


def share(votes: float) -> str:
    """Return a share of the vote in per cent; what has any is never shown as none."""
    return "<1%" if 0.0 < votes < 0.005 else f"{votes:.0%}"


def vote_table(console: Console, answer: Answer, lines: Sequence[tuple[Group, str]]) -> None:
    """Print a line per group: its share, who found it, and its result in words.

    Shares are always whole; names are shortened first, then the words.
    """
    short = _short_names([one.generator for one in answer.candidates])
    room = max(console.width - _SHARE - 2 * _APART, 2)
    longest = max(cell_len(words) for _, words in lines)
    left = room - min(longest, room // 2)
    names = [_who(answer.candidates, group, short, room=left) for group, _ in lines]
    who = min(max(map(cell_len, names)), left)
    table = Table.grid(padding=(0, _APART))
    for width in (_SHARE, who, min(longest, room - who)):
        table.add_column(no_wrap=True, overflow="ellipsis", width=width)
    for (group, words), name in zip(lines, names, strict=True):
        chosen = answer.choice.candidate in group.members
        mark = f"{'▸' if chosen else ' '} {share(group.votes):>4}"
        table.add_row(Text(mark, style="green" if chosen else ""), Text(name), Text(words))
    console.print(table)


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without what stands before their slash, where that leaves them different."""
    short = {name: name.rpartition("/")[2] for name in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in names}


def _who(candidates: Sequence[Candidate], group: Group, short: dict[str, str], *, room: int) -> str:
    """Name the generators of a group, each once, in their order; or count them."""
    names = dict.fromkeys(short[candidates[i].generator] for i in group.members)
    listed = ", ".join(names)
    return listed if cell_len(listed) <= room else f"{len(names)} of {len(short)}"
