"""The weights that the package carries, loaded when first needed and shared by connections alike.

What is not covered: language models (`assemble`), and training any of it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from quorumsql.config import Settings
from quorumsql.ports import Generator, Meaning, Reader, Selector
from quorumsql.stages.calibrate import VOTE, Calibration, load
from quorumsql.stages.cascade import Cascade, load_cascade
from quorumsql.stages.reread import Remembered

if TYPE_CHECKING:
    from quorumsql.stages.answerable import Refuser

__all__ = [
    *(
        "FIRST",
        "FOLDER",
        "WEIGHTS",
        "WIDER",
        "Shipped",
        "is_embedded",
        "selector_of_members",
        "selector_of_pools",
    ),
    *("shipped_calibration", "shipped_cascade", "wider"),
]

FOLDER = Path(__file__).parent / "neural" / "weights"
FIRST, WIDER = "embedded/columns", 2
"""The member that a cascade asks first. While it is alone there is nobody else's to choose from, so
it tries so many times as many hypotheses (docs/experiments.md)."""
WEIGHTS: Mapping[str, str] = MappingProxyType(
    {"trained": "weigh_members.json", "signs": "weigh_signs.json"}
)
"""What votes, reading and signs count, by `members.selector`."""
MOST_ADAPTED = 4
"""Databases whose own members stay loaded, about 60 MB each."""


class Shipped:
    """What answers without a language model, as `settings` want it. Safe to share by threads."""

    def __init__(self, settings: Settings) -> None:
        """Load nothing yet."""
        self._settings = settings
        self._lock = threading.RLock()
        self._members: dict[Path, tuple[Generator, ...]] = {}
        self._meaning: Meaning | None = None
        self._reader: Reader | None = None
        self._selector: Selector | None = None

    def members(self, folder: Path = FOLDER) -> tuple[Generator, ...]:
        """Return the embedded generators that the settings name; "embedded" is all of them.

        Those of the package, or of another `folder`; of those, the last few are kept.

        Raises:
            ModelError: they cannot be loaded.
        """
        with self._lock:
            if folder not in self._members:
                others = [known for known in self._members if known != FOLDER]
                for oldest in others[: len(others) - MOST_ADAPTED + 1]:
                    del self._members[oldest]
                self._members[folder] = self._loaded(folder)
            return self._members[folder]

    def selector(self) -> Selector | None:
        """Return what chooses among the members' candidates; None where votes alone do.

        Raises:
            ModelError: its weights are missing.
        """
        how = self._settings.members.selector
        if how == "vote" or not self._takes_part():
            return None
        with self._lock:
            if self._selector is None:
                ranks, reader = shipped_calibration().ranks, self.reader()
                self._selector = selector_of_members(ranks, reader=reader, how=how)
            return self._selector

    def reader(self) -> Reader | None:
        """Return what the selector reads with, once per statement; None where nobody reads.

        Raises:
            ModelError: its weights are missing.
        """
        if self._settings.members.selector != "trained" or not self._takes_part():
            return None
        with self._lock:
            if self._reader is None:
                self._reader = Remembered(_reader(FOLDER))
            return self._reader

    def _takes_part(self) -> bool:
        """Whether the settings name any embedded generator."""
        return any(map(is_embedded, self._settings.named))

    def refuser(self) -> Refuser | None:
        """Return what tells questions that a database cannot answer, where members take part."""
        if not (self._settings.members.refuse and self._takes_part()):
            return None
        from quorumsql.stages.answerable import Refuser, load_regression

        return Refuser(load_regression(), self.meaning())

    def meaning(self) -> Meaning:
        """Return the vectors of words."""
        with self._lock:
            if self._meaning is None:
                from quorumsql.neural.meaning import WordMeaning

                self._meaning = WordMeaning()
            return self._meaning

    def _loaded(self, folder: Path) -> tuple[Generator, ...]:
        settings = self._settings
        wanted = [name for name in settings.named if is_embedded(name)]
        if not wanted:
            return ()
        from quorumsql.neural.members import load_members

        names = None if "embedded" in wanted else wanted
        if names is None and settings.members.cascade == 0 and settings.max_error is None:
            names = [FIRST]  # nobody is ever so unsure that another would be asked
        most = settings.hypotheses
        return load_members(
            names, folder=folder, beam=most, beams=wider(most), meaning=self.meaning()
        )


def wider(hypotheses: int) -> Mapping[str, int]:
    """Return the members that try more than `hypotheses`, and how many."""
    return {FIRST: WIDER * hypotheses}


def is_embedded(name: str) -> bool:
    """Whether a generator's name is that of embedded members."""
    return name == "embedded" or name.startswith("embedded/")


def selector_of_members(
    ranks: Mapping[str, int],
    *,
    folder: Path = FOLDER,
    reader: Reader | None = None,
    how: Literal["trained", "signs"] = "trained",
) -> Selector:
    """Return what chooses among the members' candidates, whose weights are their votes.

    It reads with `reader`, or with the one in `folder`. How it chooses is one of the settings'.

    Raises:
        ModelError: the weights are missing.
    """
    from quorumsql.stages.weigh import Weigher, load_weights

    weights = load_weights(folder / WEIGHTS[how])
    return Weigher(reader or _reader(folder), weights, ranks=ranks)


def selector_of_pools(
    votes: Mapping[str, float] | None = None, *, folder: Path = FOLDER
) -> Selector:
    """Return what chooses among anybody's candidates, one vote each, or `votes` by generator.

    Raises:
        ModelError: the weights are missing.
    """
    from quorumsql.stages.weigh import Weigher, load_weights

    return Weigher(_reader(folder), load_weights(folder / "weigh_pool.json"), votes=votes)


def _reader(folder: Path) -> Reader:
    from quorumsql.neural import reader  # loads onnxruntime, which --help must not

    return reader.Reader(folder / "reader.onnx")


def shipped_calibration(of: str = VOTE, *, asked: Collection[str] = ()) -> Calibration:
    """Return what was measured of the embedded generators, chosen among by `of`.

    Where only those are `asked` that a cascade asks first, it is what was measured of them.
    """
    known, cascade = load(FOLDER / "calibration.json", of), shipped_cascade(of)
    if cascade is not None and asked:
        for place, step in enumerate(cascade.steps, start=1):
            if {*cascade.order[:place]} == {*asked}:
                return replace(step.calibration, ranks=known.ranks)
    return known


def shipped_cascade(of: str = VOTE) -> Cascade | None:
    """Return which member may answer alone, and when, chosen among by `of`."""
    return load_cascade(FOLDER / "cascade.json", of)
