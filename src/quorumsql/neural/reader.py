"""The reader: a small encoder that reads a question, a candidate's SQL and its result together.

It gives every candidate one number, the logarithm of the odds that it answers the question. It
reads each candidate by itself, with the columns that it leaves out, and knows no generator by
name, so it works on anybody's candidates. XiYan-SQL's selector (arXiv 2507.04701, section V)
reads them with a language model;
this one has 22 million parameters and reads twenty candidates in some 50 ms.

What is not covered: votes. `stages.weigh` puts both together.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from quorumsql.domain import Candidate, Question, Rows, Schema
from quorumsql.errors import ModelError
from quorumsql.kept import Kept
from quorumsql.naming import stem
from quorumsql.neural.graphs import open_graph
from quorumsql.neural.retell import Names, retell, tell_left_out, tell_result

__all__ = ["READER", "Page", "Reader", "ReaderTokeniser", "stack"]

READER = Path(__file__).parent / "weights" / "reader.onnx"
MOST = {"question": 72, "sql": 112, "result": 48, "left_out": 48}
"""Word pieces that are read of each part; the rest is cut."""
TOGETHER = 32
"""Candidates in one run of the graph, which bounds its memory."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Page:
    """One candidate as the encoder reads it, (T,) each.

    part: 0 question, 1 SQL, 2 result, 3 columns left out. match: whether the word also stands on
    the other side: in the SQL for the question, in the question for everything else.
    """

    ids: Ints
    part: Ints
    match: Ints


class ReaderTokeniser:
    """Turns a question, retold SQL, a result and what is left out into a page."""

    def __init__(self, path: Path) -> None:
        """Load the vocabulary at `path`, a tokenizer.json."""
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._cls = self._tokenizer.token_to_id("[CLS]") or 0
        self._sep = self._tokenizer.token_to_id("[SEP]") or 0

    def page(self, question: str, sql: str, result: str, left_out: str) -> Page:
        """Return the page of one candidate; all but the question come from `retell`."""
        texts = {"question": question, "sql": sql, "result": result, "left_out": left_out}
        read = {
            name: self._tokenizer.encode(text, add_special_tokens=False)
            for name, text in texts.items()
        }
        stems = {name: _stems(encoding, texts[name]) for name, encoding in read.items()}
        asked, written = set(stems["question"]), set(stems["sql"])
        ids, part, match = [self._cls], [0], [0]
        for number, (name, encoding) in enumerate(read.items()):
            other = written if name == "question" else asked
            own = stems[name][: MOST[name]]
            ids += [*encoding.ids[: MOST[name]], self._sep]
            part += [number] * (len(own) + 1)
            match += [*(int(word != "" and word in other) for word in own), 0]
        return Page(*(np.array(x, dtype=np.int64) for x in (ids, part, match)))


def _stems(encoding: Encoding, text: str) -> list[str]:
    """Per piece the stem of the whole word that it belongs to; "" for punctuation."""
    ends: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            ends[word] = (ends.get(word, (start, end))[0], end)
    words = {
        word: stem(text[start:end]) if text[start:end].isalnum() else ""
        for word, (start, end) in ends.items()
    }
    return [words.get(word, "") if word is not None else "" for word in encoding.word_ids]


def stack(pages: Sequence[Page], *, multiple: int = 1) -> tuple[Ints, Ints, Ints, Ints]:
    """Pad pages to one length, a multiple of `multiple`: ids, part, match, mask (B, T) each."""
    longest = max(len(page.ids) for page in pages)
    shape = (len(pages), -(-longest // multiple) * multiple)
    ids, part, match, mask = (np.zeros(shape, np.int64) for _ in range(4))
    for row, page in enumerate(pages):
        count = len(page.ids)
        ids[row, :count], part[row, :count], match[row, :count] = page.ids, page.part, page.match
        mask[row, :count] = 1
    return ids, part, match, mask


class Reader:
    """Reads candidates with the shipped weights; safe to use from several threads."""

    def __init__(self, path: Path = READER, *, tokenizer: Path | None = None) -> None:
        """Take the graph at `path`, and the tokenizer beside it unless another is given.

        Both are loaded when something is first read, since many questions need no reading.

        Raises:
            ModelError: the weights are not there.
        """
        if not path.is_file():
            raise ModelError(f"No weights of the reader at {path}.")
        self._path, self._vocabulary = path, tokenizer or path.with_name("tokenizer.json")
        self._lock = threading.Lock()
        self._loaded: tuple[Any, ReaderTokeniser] | None = None
        self._names = Kept(Names)

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        """Return per candidate the log odds that it is right; what did not run has -inf.

        Candidates that read alike are read once.

        Raises:
            ModelError: the weights cannot be loaded.
        """
        names, asked = self._names.of(schema), " ".join((question.text, question.evidence)).strip()
        wanted = names.asked(question.text)
        told: dict[int, tuple[str, str, str]] = {}
        retold: dict[str, tuple[str, str]] = {}
        for index, candidate in enumerate(candidates):
            execution = candidate.final.execution
            if isinstance(execution, Rows):
                if candidate.sql not in retold:
                    text = retell(candidate.sql, names)
                    retold[candidate.sql] = (text, tell_left_out(text, wanted, names))
                text, left = retold[candidate.sql]
                told[index] = (text, tell_result(execution), left)
        distinct = sorted(set(told.values()), key=lambda texts: sum(map(len, texts)))
        found = dict(zip(distinct, self._read(asked, distinct), strict=True))
        return tuple(
            found[told[index]] if index in told else float("-inf")
            for index in range(len(candidates))
        )

    def _read(self, asked: str, told: Sequence[tuple[str, str, str]]) -> list[float]:
        session, tokeniser = self._ready()
        pages = [tokeniser.page(asked, *texts) for texts in told]
        scores: list[float] = []
        for first in range(0, len(pages), TOGETHER):
            ids, part, match, mask = stack(pages[first : first + TOGETHER])
            inputs = {"ids": ids, "part": part, "match": match, "mask": mask}
            scores += session.run(["score"], inputs)[0].tolist()
        return scores

    def _ready(self) -> tuple[Any, ReaderTokeniser]:
        with self._lock:
            if self._loaded is None:
                try:
                    session = open_graph(self._path, threads=2)
                except OSError as error:
                    raise ModelError(f"The reader cannot be loaded: {error}.") from error
                self._loaded = (session, ReaderTokeniser(self._vocabulary))
            return self._loaded
