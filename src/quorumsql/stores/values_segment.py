"""Segments: files of sorted keys, mapped into memory and never changed once written.

A log-structured store keeps keys so (O'Neil et al. 1996). A file holds the sorted hashes, the
number of the value each belongs to, and a filter that says at once that a key is not there: a
Bloom filter (1970) of three bits in one word of 64 (Putze et al. 2007), twelve bits a key. Many
keys are looked up together, by numpy, on what the system has mapped: no query runs per key, and
no process holds what it does not touch.

What is not covered: keys that very many values share; the first 512 of a segment are kept.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from quorumsql.disk import private
from quorumsql.hashes import Hashes

__all__ = ["Segment", "SegmentWriter", "key_files"]

SHARED: Final = 512
_BITS_PER_KEY: Final = 12

_Owners = npt.NDArray[np.uint32]


def key_files(path: Path) -> Iterable[Path]:
    """Return the segments that lie beside the index at `path`, whoever left them."""
    return path.parent.glob(f"{path.stem}-*.keys")


class Segment:
    """One file of keys, mapped for reading."""

    def __init__(self, path: Path, size: int, words: int) -> None:
        """Map the file at `path` with `size` keys and a filter of so many words.

        Raises:
            OSError: it is not there.
            ValueError: it has another length.
        """
        data = np.asarray(np.memmap(path, np.uint8, "r"))
        if len(data) != 12 * size + 8 * words:
            raise ValueError(f"{path} has {len(data)} bytes.")
        self._filter = data[: 8 * words].view("<u8")
        self.hashes = data[8 * words : 8 * (words + size)].view("<u8")
        self.owners = data[8 * (words + size) :].view("<u4")

    def maybe(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Return for each key whether it may be here; a wrong yes is seldom, a wrong no never."""
        places, masks = _in_filter(hashes, len(self._filter))
        found: npt.NDArray[np.bool_] = (self._filter[places] & masks) == masks
        return found

    def spans(self, hashes: Hashes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return where the owners of each of these sorted keys begin and end."""
        return self.hashes.searchsorted(hashes, "left"), self.hashes.searchsorted(hashes, "right")


def _in_filter(hashes: Hashes, words: int) -> tuple[npt.NDArray[np.intp], Hashes]:
    """The word of the filter that each key has, and its three bits."""
    places = ((hashes >> np.uint64(32)) * np.uint64(words)) >> np.uint64(32)
    one, six = np.uint64(1), np.uint64(63)
    masks = one << (hashes & six)
    masks |= one << ((hashes >> np.uint64(6)) & six)
    masks |= one << ((hashes >> np.uint64(12)) & six)
    return places.astype(np.intp), masks


class SegmentWriter:
    """Keys on their way into a file."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes: list[Hashes] = []
        self._owners: list[_Owners] = []

    def add(self, hashes: Hashes, owners: _Owners) -> None:
        """Take more keys."""
        self._hashes.append(hashes)
        self._owners.append(owners)
        self.size += len(hashes)

    def write(self, index: Path) -> tuple[Path, int, int]:
        """Write what was taken beside `index`; return the file, its keys and its filter's words.

        Raises:
            OSError: it cannot be written; then nothing is left of it.
        """
        hashes, owners = self._sorted()
        bits = _filter_of(hashes)
        path = index.with_name(f"{index.stem}-{secrets.token_hex(6)}.keys")
        try:
            with open(path, "xb", opener=private) as file:
                for part in (bits.astype("<u8"), hashes.astype("<u8"), owners.astype("<u4")):
                    file.write(part.data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        return path, len(hashes), len(bits)

    def _sorted(self) -> tuple[Hashes, _Owners]:
        """All keys by hash; of keys that very many values share, the first ones."""
        hashes, owners = np.concatenate(self._hashes), np.concatenate(self._owners)
        self._hashes, self._owners = [], []
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        owners = owners[order]
        del order
        first = _firsts(hashes)
        starts = np.flatnonzero(first)
        counts = np.diff(starts, append=len(hashes))
        if counts.max(initial=0) <= SHARED:
            return hashes, owners
        rank = np.arange(len(hashes), dtype=np.int64) - np.repeat(starts, counts)
        return hashes[rank < SHARED], owners[rank < SHARED]


def _firsts(numbers: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Where a number differs from the one before."""
    first = np.ones(len(numbers), bool)
    first[1:] = numbers[1:] != numbers[:-1]
    return first


def _filter_of(hashes: Hashes) -> Hashes:
    """The filter of sorted keys."""
    unique = hashes[_firsts(hashes)]
    words = len(unique) * _BITS_PER_KEY // 64 + 1
    places, masks = _in_filter(unique, words)
    bits = np.zeros(words, np.uint64)
    starts = np.flatnonzero(_firsts(places))
    if len(starts):
        bits[places[starts]] = np.bitwise_or.reduceat(masks, starts)
    return bits
