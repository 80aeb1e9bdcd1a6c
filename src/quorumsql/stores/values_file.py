"""Stored values and the index on them, inside the file of `known`.

Values lie in blocks of up to 256. Keys lie in segments, as a log-structured store keeps them
(O'Neil et al. 1996): a segment is one sorted array of hashes, cut into small buckets that are
read one by one, so that a look-up touches a few kilobytes whatever the size of the whole.

What is not covered: keys that very many values share; the first 512 of a segment are kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quorumsql.hashes import Hashes
from quorumsql.stores.known import Known
from quorumsql.stores.values_keys import keys_of

__all__ = ["BLOCK", "BlockWriter", "Finder", "seal"]

BLOCK: Final = 256
LONGEST: Final = 80
"""Longer texts are prose: nobody names them in a question."""

_CHUNK: Final = 64  # blocks whose keys are made at once
_SEGMENT: Final = 12_000_000  # keys of a segment: about 400 MB while it is sorted
_BUCKET: Final = 1_024
_SHARED: Final = 512
_MOST_SEGMENTS: Final = 24
_KEYS_PER_VALUE: Final = 6

_Owners = npt.NDArray[np.uint32]


class BlockWriter:
    """Writes the values of one part into blocks."""

    def __init__(self, known: Known, part: int) -> None:
        self._known = known
        self._part = part
        self._waiting: list[bytes] = []
        self.size = 0

    def add(self, values: Sequence[str]) -> None:
        """Take values that were not there before; too long ones and empty ones are left out."""
        fitting = [v.encode("utf-8", "replace") for v in values if 0 < len(v) <= LONGEST]
        self.size += len(fitting)
        self._waiting += fitting
        if len(self._waiting) >= BLOCK:
            whole = len(self._waiting) // BLOCK * BLOCK
            self._write(self._waiting[:whole])
            del self._waiting[:whole]

    def close(self) -> None:
        """Write what is left."""
        self._write(self._waiting)
        self._waiting = []

    def _write(self, values: Sequence[bytes]) -> None:
        blocks = (values[i : i + BLOCK] for i in range(0, len(values), BLOCK))
        self._known.connection.executemany(
            "INSERT INTO block (part, data) VALUES (?, ?)",
            ((self._part, _packed(block)) for block in blocks),
        )


def _packed(values: Sequence[bytes]) -> bytes:
    lengths = np.fromiter(map(len, values), dtype=np.uint16, count=len(values))
    return len(values).to_bytes(2, "little") + lengths.tobytes() + b"".join(values)


def _unpacked(data: bytes, places: Iterable[int] | None = None) -> list[str]:
    """The values of a block, or those at these places."""
    count = int.from_bytes(data[:2], "little")
    lengths = np.frombuffer(data, np.uint16, count, 2)
    edges = [0, *lengths.cumsum(dtype=np.int64).tolist()]
    head = 2 + 2 * count
    wanted = range(count) if places is None else places
    return [data[head + edges[n] : head + edges[n + 1]].decode("utf-8") for n in wanted]


def seal(known: Known, *, on_values: Callable[[int], None] | None = None) -> None:
    """Make keys for all blocks that have none yet; `on_values` hears how many more are done.

    Every segment is written in one transaction together with how far it reaches, so that an
    interrupted call goes on where it stopped.
    """
    segments, size = known.connection.execute("SELECT count(*), sum(size) FROM segment").fetchone()
    live = known.connection.execute("SELECT sum(size) FROM part").fetchone()[0] or 0
    if segments > _MOST_SEGMENTS or (size or 0) > 2 * _KEYS_PER_VALUE * live + 1_000_000:
        with known.transaction():  # most of it is keys of values that are gone
            known.connection.execute("DELETE FROM posting")
            known.connection.execute("DELETE FROM segment")
            known.write_note("sealed", "0")
            _seal_rest(known, on_values, nested=True)
    else:
        _seal_rest(known, on_values, nested=False)


def _seal_rest(known: Known, on_values: Callable[[int], None] | None, *, nested: bool) -> None:
    sealed = int(known.note("sealed") or 0)
    growing = _Segment()
    for last, texts, owners in _chunks(known, sealed):
        growing.add(texts, owners)
        sealed = last
        if on_values:
            on_values(len(texts))
        if growing.size >= _SEGMENT:
            growing.write(known, sealed, nested=nested)
            growing = _Segment()
    if growing.size:
        growing.write(known, sealed, nested=nested)


def _chunks(known: Known, after: int) -> Iterator[tuple[int, list[str], _Owners]]:
    """The blocks after this one, some at a time: the last one's number, values, their numbers."""
    while True:
        rows = known.connection.execute(
            "SELECT id, data FROM block WHERE id > ? ORDER BY id LIMIT ?", (after, _CHUNK)
        ).fetchall()
        if not rows:
            return
        blocks = [(number, _unpacked(data)) for number, data in rows]
        texts = [text for _, values in blocks for text in values]
        owners = [np.arange(len(values), dtype=np.uint32) + n * BLOCK for n, values in blocks]
        after = rows[-1][0]
        yield after, texts, np.concatenate(owners).astype(np.uint32)


class _Segment:
    """Keys that are not written yet."""

    def __init__(self) -> None:
        self.size = 0
        self._words: set[int] = set()
        self._hashes: list[Hashes] = []
        self._owners: list[_Owners] = []

    def add(self, texts: Sequence[str], owners: _Owners) -> None:
        keys = keys_of(texts, self._words)
        self._hashes.append(keys.hashes)
        self._owners.append(owners[keys.owners])
        self.size += len(keys.hashes)

    def write(self, known: Known, sealed: int, *, nested: bool) -> None:
        hashes, owners = _sorted(self._hashes, self._owners)
        bits = max(0, (len(hashes) // _BUCKET).bit_length())
        if nested:
            self._insert(known, sealed, hashes, owners, bits)
        else:
            with known.transaction():
                self._insert(known, sealed, hashes, owners, bits)

    def _insert(
        self, known: Known, sealed: int, hashes: Hashes, owners: _Owners, bits: int
    ) -> None:
        run = known.connection.execute
        number = run("SELECT coalesce(max(id), 0) + 1 FROM segment").fetchone()[0]
        run("INSERT INTO segment VALUES (?, ?, ?)", (number, bits, len(hashes)))
        known.connection.executemany(
            "INSERT INTO posting VALUES (?, ?)", _buckets(number, hashes, owners, bits)
        )
        known.write_note("sealed", str(sealed))


def _sorted(hashes: list[Hashes], owners: list[_Owners]) -> tuple[Hashes, _Owners]:
    """All keys by hash; of keys that very many values share, the first ones."""
    every, own = np.concatenate(hashes), np.concatenate(owners)
    hashes.clear()
    owners.clear()
    order = np.argsort(every, kind="stable")
    every, own = every[order], own[order]
    first = np.ones(len(every), bool)
    first[1:] = every[1:] != every[:-1]
    starts = np.flatnonzero(first)
    rank = np.arange(len(every)) - np.repeat(starts, np.diff([*starts.tolist(), len(every)]))
    kept = rank < _SHARED
    return every[kept], own[kept]


def _buckets(
    segment: int, hashes: Hashes, owners: _Owners, bits: int
) -> Iterator[tuple[int, bytes]]:
    tops = (hashes >> np.uint64(64 - bits)) if bits else np.zeros(len(hashes), np.uint64)
    edges = np.searchsorted(tops, np.arange(2**bits + 1, dtype=np.uint64)).tolist()
    low = ((hashes << np.uint64(bits)) >> np.uint64(32)).astype(np.uint32)
    for bucket, (start, end) in enumerate(itertools.pairwise(edges)):
        if start < end:
            data = low[start:end].tobytes() + owners[start:end].tobytes()
            yield segment << 32 | bucket, data


class Finder:
    """Finds values by their keys. Reads what it needs and keeps nothing but the parts."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.parts = known.parts()
        rows = known.connection.execute("SELECT id, bits FROM segment ORDER BY id").fetchall()
        self._segments = [(int(number), int(bits)) for number, bits in rows]

    def find(self, hashes: Hashes) -> list[list[int]]:
        """Return for each key the numbers of the values that have it."""
        found: list[list[int]] = [[] for _ in hashes]
        for segment, bits in self._segments:
            tops = (hashes >> np.uint64(64 - bits)) if bits else np.zeros(len(hashes), np.uint64)
            low = ((hashes << np.uint64(bits)) >> np.uint64(32)).astype(np.uint32)
            asking: dict[int, list[int]] = {}
            for i, top in enumerate(tops.tolist()):
                asking.setdefault(segment << 32 | top, []).append(i)
            for place, data in self._rows("SELECT id, data FROM posting WHERE id IN", asking):
                _look_into(data, low, asking[place], found)
        return found

    def values(self, numbers: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Return part and text of each of these values that is still there."""
        wanted: dict[int, list[int]] = {}
        for number in numbers:
            wanted.setdefault(number // BLOCK, []).append(number)
        found: dict[int, tuple[int, str]] = {}
        rows = self._rows("SELECT id, part, data FROM block WHERE id IN", list(wanted))
        for block, part, data in rows:
            if part in self.parts:
                own = wanted[block]
                for number, text in zip(
                    own, _unpacked(data, [n % BLOCK for n in own]), strict=True
                ):
                    found[number] = (part, text)
        return found

    def of_part(self, part: int, limit: int) -> list[str]:
        """Return the first values of a part."""
        texts: list[str] = []
        rows = self._known.connection.execute(
            "SELECT data FROM block WHERE part = ? ORDER BY id", (part,)
        )
        for (data,) in rows:
            texts += _unpacked(data)
            if len(texts) >= limit:
                break
        return texts[:limit]

    def _rows(self, sql: str, numbers: Iterable[int]) -> Iterator[Any]:
        unique = sorted(set(numbers))
        for start in range(0, len(unique), 500):
            some = unique[start : start + 500]
            yield from self._known.connection.execute(f"{sql} ({','.join('?' * len(some))})", some)


def _look_into(data: bytes, low: _Owners, asking: Sequence[int], found: list[list[int]]) -> None:
    """Add what one bucket knows about the keys number `asking`."""
    count = len(data) // 8
    keys = np.frombuffer(data, np.uint32, count)
    wanted = low[asking]
    starts = keys.searchsorted(wanted, "left")
    ends = keys.searchsorted(wanted, "right")
    for i in np.flatnonzero(starts < ends).tolist():
        own = np.frombuffer(data, np.uint32, count, 4 * count)[starts[i] : ends[i]]
        found[asking[i]] += own.tolist()
