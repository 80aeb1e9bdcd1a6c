"""The embedded members: generators that run on the shipped weights, with no key and no network.

They write SQLite's SQL, and `forms.translate` makes it that of the engine they face.

What is not covered: training.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from quorumsql.domain import Attempt, Brief, Candidate, Schema
from quorumsql.errors import UnknownName
from quorumsql.forms.grammar import Grammar
from quorumsql.forms.linear import parse
from quorumsql.forms.translate import translate
from quorumsql.forms.tree import Query, Value, map_values
from quorumsql.forms.write import Unwritable, write
from quorumsql.joins import JoinGraph
from quorumsql.kept import Kept
from quorumsql.neural.decode import Hypothesis, beam_search
from quorumsql.neural.graphs import Graphs
from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.spans import left_out
from quorumsql.neural.spelling import Speller, names_of
from quorumsql.neural.tokenise import Encoded, SchemaPieces
from quorumsql.neural.values import Unfilled, fill, pointed, spans_of
from quorumsql.ports import Meaning
from quorumsql.synonyms import Synonyms

__all__ = ["WEIGHTS", "Draft", "EmbeddedMember", "load_members"]

WEIGHTS = Path(__file__).parent / "weights"
BEAM = 8
AT_ONCE = 8
"""Questions whose arrays are kept."""
LEFT_OUT = 3.0
"""Fine, in nats, for a value that the question names and the SQL leaves out; from databases
held out of training (docs/experiments.md)."""


def load_members(
    names: Sequence[str] | None = None,
    *,
    folder: Path = WEIGHTS,
    beam: int = BEAM,
    beams: Mapping[str, int] = MappingProxyType({}),
    meaning: Meaning | None = None,
) -> tuple[EmbeddedMember, ...]:
    """Load the members called `names` ("embedded/columns" …), or all of them.

    `beam` is how many hypotheses each of them tries, but for those in `beams`. `meaning` tells
    which stored text a question means that it does not say; the shipped vectors by default.

    Raises:
        ModelError: the weights cannot be loaded.
        UnknownName: no member has such a name.
    """
    forms = [name.removeprefix("embedded/") for name in names] if names else None
    reader = _Reader(Graphs(folder, forms), meaning or WordMeaning())
    known = {f"embedded/{form}": form for form in reader.graphs.manifest["members"]}
    for name in names or ():
        if name not in known:
            raise UnknownName("generator", name, known)
    wanted = names or tuple(known)
    return tuple(
        EmbeddedMember(name, known[name], reader, beam=beams.get(name, beam)) for name in wanted
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A hypothesis as SQL: its log probability, and how many values of the question it leaves out.

    `guessed` says that a value in it is no text of the question or the database.
    """

    sql: str
    score: float
    left_out: int
    guessed: bool


class EmbeddedMember:
    """One way of writing queries; its beam becomes its candidates."""

    def __init__(self, name: str, form: str, reader: _Reader, *, beam: int) -> None:
        self._name, self._form, self._reader, self._beam = name, form, reader, beam
        self._grammar = Grammar(form)

    @property
    def name(self) -> str:
        """Name of the generator, "embedded/…"."""
        return self._name

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        """Return the distinct SQL texts of the beam, most probable first; weights sum to 1.

        A text that one hypothesis reaches without a guess is not guessed, whatever others did.
        """
        found: dict[str, tuple[float, bool]] = {}
        for draft in self.drafts(brief):
            before, all_guessed = found.get(draft.sql, (0.0, True))
            weight = math.exp(draft.score - LEFT_OUT * draft.left_out)
            found[draft.sql] = (before + weight, all_guessed and draft.guessed)
        total = sum(weight for weight, _ in found.values())
        ranked = sorted(found.items(), key=lambda item: -item[1][0])
        return tuple(
            Candidate(
                generator=self._name,
                attempts=(Attempt(sql=sql),),
                weight=weight / total,
                guessed=guessed,
            )
            for sql, (weight, guessed) in ranked
        )

    def drafts(self, brief: Brief) -> Iterator[Draft]:
        """Yield what of the beam can be written as SQL, most probable first, without any fine."""
        encoded = self._reader.encoded(brief)
        for hypothesis in self._hypotheses(encoded):
            try:
                sql, guessed, used = self._reader.sql(hypothesis, self._form, encoded, brief)
            except (Unfilled, Unwritable):
                continue
            missing = left_out(encoded.spans, used)
            yield Draft(sql=sql, score=hypothesis.score, left_out=missing, guessed=guessed)

    def _hypotheses(self, encoded: Encoded) -> tuple[Hypothesis, ...]:
        graphs, form = self._reader.graphs, self._form
        memory = graphs.encode(encoded, form)
        manifest = graphs.manifest
        return beam_search(
            partial(graphs.step, form, memory),
            encoded,
            self._grammar,
            relation=manifest["relation"][form],
            past=np.zeros((manifest["layers"], 1, 0, manifest["width"]), np.float32),
            width=self._beam,
            max_steps=manifest["max_steps"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is made once of a schema."""

    pieces: SchemaPieces
    graph: JoinGraph
    names: frozenset[str]


class _Reader:
    """What members share about one question: its arrays, made once, and the join graph.

    A few are kept, since a server answers several questions, about several databases, at once.
    """

    def __init__(self, graphs: Graphs, meaning: Meaning) -> None:
        self.graphs, self._meaning = graphs, meaning
        self._lock = threading.Lock()
        self._speller = Speller(graphs.tokeniser.vocabulary())
        self._synonyms = Synonyms()
        self._schemas = Kept(self._of_schema)
        self._briefs: deque[tuple[Brief, Encoded]] = deque(maxlen=AT_ONCE)

    def encoded(self, brief: Brief) -> Encoded:
        """Arrays of `brief`; those of the last few briefs are kept."""
        with self._lock:
            for one, made in self._briefs:
                if one is brief:
                    return made
            known = self._schemas.of(brief.schema)
            text, hits = self._speller.mended(brief.question.text, known.names, brief.hits)
            tokeniser, names = self.graphs.tokeniser, self._synonyms.names(text, brief.schema, hits)
            made = tokeniser.encode(text, tokeniser.reworded(known.pieces, names), hits)
            self._briefs.append((brief, made))
            return made

    def _of_schema(self, schema: Schema) -> _Known:
        return _Known(
            pieces=self.graphs.tokeniser.pieces(schema),
            graph=JoinGraph(schema),
            names=names_of(schema),
        )

    def sql(
        self, hypothesis: Hypothesis, form: str, encoded: Encoded, brief: Brief
    ) -> tuple[str, bool, set[int]]:
        """Return the SQL of a hypothesis, whether a value in it was guessed, the spans it uses.

        Raises:
            Unfilled: a value cannot be guessed.
            Unwritable: its tables cannot be joined, or it shows the same thing twice.
        """
        tree = pointed(parse(hypothesis.tokens, form), spans=encoded.spans, schema=brief.schema)
        if len(set(tree.select)) < len(tree.select):
            raise Unwritable("nobody asks for the same column twice")
        question = brief.question.text
        filled = fill(
            tree,
            spans=encoded.spans,
            schema=brief.schema,
            question=question,
            meaning=self._meaning,
        )
        with self._lock:
            graph = self._schemas.of(brief.schema).graph
        sql = translate(write(filled, brief.schema, graph), brief.schema)
        return sql, _guessed(filled), spans_of(tree)


def _guessed(query: Query) -> bool:
    found: list[bool] = []

    def look(_: object, value: object) -> Value:
        assert isinstance(value, Value)
        found.append(value.guessed)
        return value

    map_values(query, look)
    return any(found)
