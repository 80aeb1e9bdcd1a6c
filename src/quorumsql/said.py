"""What people said of a database's answers: the shift of its confidence, the weight of votes.

What is not covered: keeping verdicts (`stores.verdicts`), what the shift means
(`stages.recalibrate`) and how weights are learned (`stages.portfolio`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from quorumsql.domain import Answer
from quorumsql.errors import UsageError
from quorumsql.stages.portfolio import round_of, rounds_in, weights_after
from quorumsql.stages.recalibrate import ENOUGH, shift_of
from quorumsql.stages.recall import EXAMPLES
from quorumsql.stores.verdicts import Verdict, VerdictStore

__all__ = ["VERDICTS", "Said", "shift_of_verdicts", "trust_of_verdicts", "votes_for"]

VERDICTS = "verdicts.jsonl"
"""Name of the file of verdicts in a database's folder."""


class Said:
    """The verdicts of one file, read again when it has changed."""

    def __init__(self, path: Path | None, *, spread: float) -> None:
        """Take the file, which need not exist, and how much databases differ."""
        self._path, self._spread = path, spread
        self._known: tuple[tuple[int, int], tuple[Verdict, ...]] | None = None

    def shift(self) -> float:
        """Return how far log odds of being right lie from the shipped ones; 0 for a new database.

        A file that cannot be read says nothing: an answer needs no verdicts.
        """
        return shift_of_verdicts(self._verdicts(), spread=self._spread)

    def trust(self, names: Iterable[str]) -> Mapping[str, float]:
        """Return what the vote of each of these generators counts, 1 on average."""
        return trust_of_verdicts(self._verdicts(), names)

    def _verdicts(self) -> Sequence[Verdict]:
        if self._path is None:
            return ()
        try:
            found = self._path.stat()
        except OSError:
            return ()
        stamp = (found.st_mtime_ns, found.st_size)
        if self._known is None or self._known[0] != stamp:
            self._known = (stamp, self._read(self._path))
        return self._known[1]

    def _read(self, path: Path) -> tuple[Verdict, ...]:
        try:
            return tuple(VerdictStore(path).all())
        except UsageError:
            return ()


def shift_of_verdicts(verdicts: Iterable[Verdict], *, spread: float) -> float:
    """Return the shift that these verdicts on one database are worth."""
    told = [(one.confidence, one.right) for one in _of_generators(verdicts)]
    return shift_of(told, spread=spread)


def trust_of_verdicts(verdicts: Iterable[Verdict], names: Iterable[str]) -> Mapping[str, float]:
    """Return what votes count after these verdicts; nothing is said before there are enough."""
    cast = (one for one in _of_generators(verdicts) if one.votes)
    rounds = rounds_in({"shares": one.votes, "right": one.right} for one in cast)
    return weights_after(rounds, names) if len(rounds) >= ENOUGH else {}


def _of_generators(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Those on what generators wrote: approved SQL says nothing of how right they are."""
    return (one for one in verdicts if EXAMPLES not in one.votes)


def votes_for(answer: Answer) -> Mapping[str, float]:
    """Return the share of each generator's vote that was for the answer, as a verdict keeps it."""
    found = round_of(answer.candidates, answer.choice, right=True)
    shares = {} if found is None else found.shares
    return {name: round(share, 4) for name, share in shares.items()}
