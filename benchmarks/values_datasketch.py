"""The other side of `values_scale.py`: MinHash and LSH by the package `datasketch`.

As CHESS looks values up: one MinHash per value in a Python loop, 100 permutations, 3-grams,
`MinHashLSH` with threshold 0.01, and of its candidates the ten with the greatest estimated
Jaccard. It is asked the literal alone, without the question around it.

At this threshold a candidate is whatever shares one of the 100 minima, and whatever shares none
has an estimate of zero: so the ten best candidates are the ten best of all values. What it finds
among all values is therefore counted without its index, from the same signatures; those of the
values that are in the index are checked to be equal, and its own answers are checked too.

What is not covered: other thresholds, which find less.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quorumsql.evals.metrics import percentile
from values_scale import TABLES, asked_of, peak_megabytes, shares

PERMUTATIONS: Final = 100
TOP: Final = 10
_ASKED: Final = 40
_CHUNK: Final = 5_000

Signatures = npt.NDArray[Any]


def _grams(text: str) -> list[bytes]:
    return [text[i : i + 3].lower().encode() for i in range(max(len(text) - 2, 1))]


def _minhash(text: str) -> Any:
    from datasketch import MinHash

    found = MinHash(num_perm=PERMUTATIONS)
    for gram in _grams(text):
        found.update(gram)
    return found


def _stored(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as connection:
        for number in range(TABLES):
            for (value,) in connection.execute(f"SELECT name FROM party_{number}"):
                yield value


class _Signer:
    """Signatures as `datasketch` makes them, a minimum over those of single 3-grams."""

    def __init__(self) -> None:
        self._of_gram: dict[bytes, Signatures] = {}

    def sign(self, texts: Sequence[str]) -> Signatures:
        grams = [_grams(text) for text in texts]
        rows = np.array([self._one(gram) for own in grams for gram in own])
        starts = np.cumsum([0, *(len(own) for own in grams[:-1])])
        found: Signatures = np.minimum.reduceat(rows, starts, axis=0)
        return found

    def _one(self, gram: bytes) -> Signatures:
        if gram not in self._of_gram:
            from datasketch import MinHash

            single = MinHash(num_perm=PERMUTATIONS)
            single.update(gram)
            self._of_gram[gram] = single.hashvalues
        return self._of_gram[gram]


def _step(folder: Path, count: int) -> dict[str, Any]:
    path = folder / "names.sqlite"
    every = list(_stored(path))
    some = every[:: max(len(every) // count, 1)][:count]
    index, signatures, timed = _built(some)
    scale = len(every) / len(some)
    asked = asked_of(path)
    spent = _answers(index, signatures, [one.words for one in asked[:_ASKED]])
    right, agreed = _found(every, some, signatures, [(one.words, one.value) for one in asked])
    counts = Counter(one.kind for one, found in zip(asked, right, strict=True) if found)
    return {
        "seconds": round(timed["seconds"] * scale, 1),
        "megabytes": round(timed["added"] * scale),
        "serving": round(timed["added"] * scale),
        "p50": round(percentile(spent, 0.5), 1),
        "p95": round(percentile(spent, 0.95), 1),
        "note": f"{len(some):,} values took {timed['seconds']:.1f} s and {timed['added']} MB; "
        f"{agreed} signatures are equal; look-ups among those; the literal alone",
        **shares(asked, counts),
    }


def _built(values: Sequence[str]) -> tuple[Any, dict[str, Any], dict[str, float]]:
    from datasketch import MinHashLSH

    before, started = peak_megabytes(), time.perf_counter()
    index, signatures = MinHashLSH(threshold=0.01, num_perm=PERMUTATIONS), {}
    for value in values:
        signatures[value] = _minhash(value)
        index.insert(value, signatures[value])
    seconds = time.perf_counter() - started
    return index, signatures, {"seconds": seconds, "added": peak_megabytes() - before}


def _answers(index: Any, signatures: dict[str, Any], asked: Sequence[str]) -> list[float]:
    """Milliseconds of each look-up; the best candidates are those of all values."""
    spent = []
    for words in asked:
        started = time.perf_counter()
        own = _minhash(words)
        found = sorted(index.query(own), key=lambda v: -signatures[v].jaccard(own))[:TOP]
        spent.append((time.perf_counter() - started) * 1000)
        if found:
            worst = signatures[found[-1]].jaccard(own)
            better = sum(other.jaccard(own) > worst for other in signatures.values())
            assert better < TOP, "the index missed a better value"
    return spent


def _found(
    every: Sequence[str],
    some: Sequence[str],
    signatures: dict[str, Any],
    asked: Sequence[tuple[str, str]],
) -> tuple[list[bool], int]:
    """Whether fewer than ten values are more alike than the right one; ties count as found."""
    signer = _Signer()
    for value in some[:1000]:
        assert (signer.sign([value])[0] == signatures[value].hashvalues).all()
    queries = signer.sign([words for words, _ in asked])
    right = (signer.sign([value for _, value in asked]) == queries).sum(1)
    better = np.zeros(len(asked), np.int64)
    for start in range(0, len(every), _CHUNK):
        chunk = np.ascontiguousarray(signer.sign(every[start : start + _CHUNK]).T)
        for n, query in enumerate(queries):
            if better[n] < TOP:
                alike = np.zeros(chunk.shape[1], np.uint8)
                for own, minimum in zip(chunk, query, strict=True):
                    alike += own == minimum
                better[n] += int((alike > right[n]).sum())
    return ((better < TOP) & (right > 0)).tolist(), min(len(some), 1000)


if __name__ == "__main__":
    print(json.dumps(_step(Path(sys.argv[3]), int(sys.argv[4]))))
