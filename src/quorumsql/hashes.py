"""Sixty-four bits for a text: the same in every process, thousands of texts at a time.

A polynomial over code points, mixed so that any part of its bits is evenly spread. It makes
the keys of the value index and the sketches of the profile.

What is not covered: an adversary. Who wants two texts with one hash can make them, so
whoever looks something up by hash compares the texts as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Hashes", "Sketch", "edited_hashes", "mixed", "text_hashes"]

Hashes: TypeAlias = npt.NDArray[np.uint64]

_BASE: Final = 0x9E3779B97F4A7C15
_BACK: Final = pow(_BASE, -1, 1 << 64)
_PERIOD: Final = 512
_POWERS: Final = np.array([pow(_BASE, n, 1 << 64) for n in range(_PERIOD)], dtype=np.uint64)
_POWERS.flags.writeable = False
_KEPT: Final = 1024


def text_hashes(texts: Sequence[str], salt: Hashes | int = 0) -> Hashes:
    """Return the hash of each text; another `salt` (one for all, or one each) gives others."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    codes = _codes(texts)
    sums = np.zeros(len(texts), dtype=np.uint64)
    filled = lengths > 0
    if filled.any():
        starts = np.cumsum(lengths) - lengths
        place = np.arange(len(codes)) - np.repeat(starts, lengths)
        terms = mixed(codes) * _POWERS[place % _PERIOD]
        sums[filled] = np.add.reduceat(terms, starts[filled])
    return mixed(sums + lengths.astype(np.uint64) * np.uint64(_BASE) + np.asarray(salt, np.uint64))


def edited_hashes(
    texts: Sequence[str], letters: str, salt: int = 0
) -> tuple[Hashes, npt.NDArray[np.intp]]:
    """Return the hashes of all texts that are one edit away, and the place of the text each is of.

    An edit leaves a letter out, swaps two neighbours, or replaces or adds one by one of `letters`.
    The edited texts are never made: a polynomial with one term changed is known from its parts,
    so that a hundred thousand of them take milliseconds.

    Args:
        texts: none of them empty, each shorter than 512.
        letters: what a letter may have been before a typing error.
        salt: as for `text_hashes`.
    """
    base, back = np.uint64(_BASE), np.uint64(_BACK)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    owner = np.repeat(np.arange(len(texts)), lengths)
    starts = np.cumsum(lengths) - lengths
    place = np.arange(len(owner)) - starts[owner]
    own, other = mixed(_codes(texts)), mixed(_codes([letters]))
    power = _POWERS[place]
    terms = own * power
    running = np.cumsum(terms) - terms
    before = running - running[starts][owner]
    whole = np.add.reduceat(terms, starts)
    size = lengths.astype(np.uint64) * base
    rest = (whole + size)[owner] - terms
    behind = whole[owner] - before - terms
    swapped = np.flatnonzero(place + 1 < lengths[owner])
    more = (own[swapped + 1] - own[swapped]) * (power[swapped] - power[swapped + 1])
    added = before + (behind + terms) * base + size[owner] + base
    at_end = (whole + size + base)[:, None] + _POWERS[lengths][:, None] * other
    bodies = (
        (before + behind * back + size[owner] - base, owner),
        ((rest[:, None] + power[:, None] * other).ravel(), np.repeat(owner, len(letters))),
        ((added[:, None] + power[:, None] * other).ravel(), np.repeat(owner, len(letters))),
        (at_end.ravel(), np.repeat(np.arange(len(texts)), len(letters))),
        ((whole + size)[owner[swapped]] + more, owner[swapped]),
    )
    hashes = np.concatenate([sums for sums, _ in bodies]) + np.uint64(salt)
    return mixed(hashes), np.concatenate([owners for _, owners in bodies])


def _codes(texts: Sequence[str]) -> Hashes:
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(joined, dtype=np.uint32).astype(np.uint64)


def mixed(numbers: Hashes) -> Hashes:
    """Spread every bit over all bits: the finaliser of MurmurHash3."""
    found = numbers ^ (numbers >> np.uint64(33))
    found = found * np.uint64(0xFF51AFD7ED558CCD)
    found ^= found >> np.uint64(33)
    found = found * np.uint64(0xC4CEB9FE1A85EC53)
    found ^= found >> np.uint64(33)
    return found


class Sketch:
    """The smallest hashes of a set: how large it is, and how much of it another set holds.

    Bottom-k sketch (Bar-Yossef et al. 2002; Beyer et al. 2007): exact up to 1,024 members,
    about three per cent off beyond.
    """

    def __init__(self, hashes: Hashes | None = None) -> None:
        self.hashes = np.empty(0, np.uint64) if hashes is None else hashes

    def add(self, texts: Iterable[str]) -> None:
        """Take more members; those seen before change nothing."""
        new = text_hashes(list(texts))
        if self.full:
            new = new[new < self.hashes[-1]]
        if len(new):
            self.hashes = np.unique(np.concatenate((self.hashes, new)))[:_KEPT]

    @property
    def full(self) -> bool:
        """Whether members were left out, so that counts are estimates."""
        return len(self.hashes) >= _KEPT

    def count(self) -> int:
        """How many members the set has."""
        if not self.full:
            return len(self.hashes)
        return round((len(self.hashes) - 1) / (float(self.hashes[-1]) / 2.0**64))

    def share_in(self, other: Sketch) -> float | None:
        """The part of this set that `other` holds; None where the sketches cannot tell."""
        reach = other.hashes[-1] if other.full else np.uint64(2**64 - 1)
        own = self.hashes[self.hashes <= reach]
        if len(own) < min(3, len(self.hashes)) or not len(own):
            return None
        return float(np.isin(own, other.hashes, assume_unique=True).mean())
