"""Stored values and the index on them: blocks in the file of `known`, segments of keys beside it.

Values lie in blocks of up to 128 inside the file. Keys lie in segments, files of their own that
are written once (`values_segment`); the file says which of them count, so that what readers see
changes in one transaction. A small segment is merged into the next one, as in a log-structured
store: there are never many.

What is not covered: values of more than 80 characters; they are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quorumsql.errors import UsageError
from quorumsql.hashes import Hashes
from quorumsql.stores.known import Known
from quorumsql.stores.values_keys import Keys, keys_of
from quorumsql.stores.values_segment import Segment, SegmentWriter

__all__ = ["BLOCK", "BlockWriter", "Finder", "seal"]

BLOCK: Final = 128
LONGEST: Final = 80
"""Longer texts are prose: nobody names them in a question."""

_CHUNK: Final = 128  # blocks whose keys are made at once
_SEGMENT: Final = 12_000_000  # keys of a segment: about 450 MB while it is sorted
_KEYS_PER_VALUE: Final = 5
_SPARE: Final = 1_000_000  # keys of values that are gone, which do no harm
_LETTERS: Final = 64

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
    """Their number, where each of them ends (all in two bytes), and the values."""
    edges = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    return len(values).to_bytes(2, "little") + edges.astype("<u2").tobytes() + b"".join(values)


def _unpacked(data: bytes) -> list[str]:
    """The values of a block."""
    count = int.from_bytes(data[:2], "little")
    head = 2 + 2 * count
    edges = np.frombuffer(data, "<u2", count, 2).tolist()
    starts = [0, *edges[:-1]]
    if data[head:].isascii():
        text = data[head:].decode("ascii")
        return [text[start:end] for start, end in zip(starts, edges, strict=True)]
    body = data[head:]
    return [body[start:end].decode("utf-8") for start, end in zip(starts, edges, strict=True)]


def _value(data: bytes, place: int) -> str:
    """One value of a block."""
    count, at = int.from_bytes(data[:2], "little"), 2 + 2 * place
    head = 2 + 2 * count
    start = int.from_bytes(data[at - 2 : at], "little") if place else 0
    end = int.from_bytes(data[at : at + 2], "little")
    return data[head + start : head + end].decode("utf-8")


def seal(known: Known, *, on_values: Callable[[int], None] | None = None) -> None:
    """Make keys for all blocks that have none yet; `on_values` hears how many more are done.

    Every segment takes effect in one transaction together with how far it reaches, so that an
    interrupted call goes on where it stopped.
    """
    size = known.connection.execute("SELECT sum(size) FROM segment").fetchone()[0] or 0
    live = known.connection.execute("SELECT sum(size) FROM part").fetchone()[0] or 0
    if size > 2 * _KEYS_PER_VALUE * live + _SPARE or not _whole(known):
        with known.transaction():  # most of it is keys of values that are gone, or keys are lost
            known.connection.execute("DELETE FROM segment")
            known.write_note("sealed", "0")
            _seal_rest(known, on_values, nested=True)
    else:
        _seal_rest(known, on_values, nested=False)
    known.tidy()


def _whole(known: Known) -> bool:
    try:
        segments_of(known)
    except (OSError, ValueError):
        return False
    return True


def segments_of(known: Known) -> list[Segment]:
    """Return the segments that count.

    Raises:
        OSError, ValueError: a file is gone or cut.
    """
    rows = known.connection.execute("SELECT file, size, words FROM segment ORDER BY id")
    return [Segment(known.path.with_name(file), size, words) for file, size, words in rows]


def _seal_rest(known: Known, on_values: Callable[[int], None] | None, *, nested: bool) -> None:
    sealed = int(known.note("sealed") or 0)
    growing = _Growing()
    for last, texts, owners in _chunks(known, sealed):
        growing.add(keys_of(texts), owners)
        sealed = last
        if on_values:
            on_values(len(texts))
        if growing.keys.size >= _SEGMENT:
            growing.write(known, sealed, nested=nested)
            growing = _Growing()
    if growing.keys.size:
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


class _Growing:
    """A segment that is not written yet."""

    def __init__(self) -> None:
        self.keys = SegmentWriter()
        self._letters: Counter[str] = Counter()

    def add(self, keys: Keys, owners: _Owners) -> None:
        self.keys.add(keys.hashes, owners[keys.owners])
        self._letters.update(keys.letters)

    def write(self, known: Known, sealed: int, *, nested: bool) -> None:
        replaced = self._take_small_ones(known)
        path, size, words = self.keys.write(known.path)
        letters = "".join(letter for letter, _ in self._letters.most_common(_LETTERS))
        row = (path.name, size, words, letters)
        if nested:
            _enter(known, row, replaced, sealed)
        else:
            with known.transaction():
                _enter(known, row, replaced, sealed)

    def _take_small_ones(self, known: Known) -> list[int]:
        """Take the keys of the last segments, as long as they are hardly more than what is new."""
        taken: list[int] = []
        rows = known.connection.execute(
            "SELECT id, file, size, words, letters FROM segment ORDER BY id DESC"
        )
        for number, file, size, words, letters in rows.fetchall():
            if size > 2 * self.keys.size or size + self.keys.size > _SEGMENT:
                break
            segment = Segment(known.path.with_name(file), size, words)
            self.keys.add(np.array(segment.hashes), np.array(segment.owners))
            self._letters.update(letters)
            taken.append(number)
        return taken


def _enter(
    known: Known, row: tuple[str, int, int, str], replaced: Iterable[int], sealed: int
) -> None:
    run = known.connection.execute
    for number in replaced:
        run("DELETE FROM segment WHERE id = ?", (number,))
    run("INSERT INTO segment (file, size, words, letters) VALUES (?, ?, ?, ?)", row)
    known.write_note("sealed", str(sealed))


class Finder:
    """Finds values by their keys. Reads what it needs and keeps nothing but the parts."""

    def __init__(self, known: Known) -> None:
        """Take an open file.

        Raises:
            UsageError: files that belong to it are gone or damaged.
        """
        self._known = known
        self.parts = known.parts()
        self._segments = self._mapped()
        rows = known.connection.execute("SELECT letters FROM segment")
        self.letters = "".join(dict.fromkeys("".join(letters for (letters,) in rows)))

    def close(self) -> None:
        """Let go of the files."""
        self._segments = []

    def _mapped(self) -> list[Segment]:
        try:
            for _ in range(3):  # a writer may replace segments between the list and the files
                with suppress(FileNotFoundError):
                    return segments_of(self._known)
            return segments_of(self._known)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"The index {self._known.path} is damaged ({error}): run quorum index --rebuild."
            ) from error

    def present(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Return for each key whether a value may have it: wrongly in one case of a hundred."""
        found = np.zeros(len(hashes), bool)
        for segment in self._segments:
            found |= segment.maybe(hashes)
        return found

    def find(self, hashes: Hashes, *, most: int | None = None) -> list[list[int]]:
        """Return for each key the numbers of the values that have it; none where it is > `most`."""
        found: list[list[int]] = [[] for _ in hashes]
        places = np.flatnonzero(self.present(hashes))
        places = places[np.argsort(hashes[places])]
        spans = [(segment, *segment.spans(hashes[places])) for segment in self._segments]
        counts = sum((ends - starts for _, starts, ends in spans), np.zeros(len(places), np.int64))
        few = counts > 0 if most is None else (counts > 0) & (counts <= most)
        for i in np.flatnonzero(few).tolist():
            own = found[int(places[i])]
            for segment, starts, ends in spans:
                if starts[i] < ends[i]:
                    own += segment.owners[starts[i] : ends[i]].tolist()
        return found

    def values(self, numbers: Iterable[int]) -> dict[int, tuple[int, str]]:
        """Return part and text of each of these values that is still there."""
        wanted: dict[int, list[int]] = {}
        for number in dict.fromkeys(numbers):
            wanted.setdefault(number // BLOCK, []).append(number)
        found: dict[int, tuple[int, str]] = {}
        for block, part, data in self._blocks(wanted):
            if part in self.parts:
                for number in wanted[block]:
                    found[number] = (part, _value(data, number % BLOCK))
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

    def _blocks(self, numbers: Iterable[int]) -> Iterator[Any]:
        unique = sorted(numbers)
        for start in range(0, len(unique), 500):
            some = unique[start : start + 500]
            marks = ",".join("?" * len(some))
            yield from self._known.connection.execute(
                f"SELECT id, part, data FROM block WHERE id IN ({marks})", some
            )
