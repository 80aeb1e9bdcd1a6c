"""The nouns of the system: every value that travels between stages, frozen.

A reader who knows Question, Schema, Hit, Brief, Candidate, Attempt, Execution,
Choice and Answer knows quorumsql; stages are functions from some of these to others.

What is not covered: gold SQL. It exists only in `evals.datasets`, so it cannot
enter the pipeline. Nothing here opens, runs or measures anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

__all__ = [
    "Answer",
    "Attempt",
    "Brief",
    "Candidate",
    "Choice",
    "Column",
    "ColumnRef",
    "Completion",
    "Digest",
    "Execution",
    "Failure",
    "ForeignKey",
    "Group",
    "Hit",
    "Limits",
    "Message",
    "ModelRequest",
    "Question",
    "Ranking",
    "Reading",
    "Row",
    "Rows",
    "Schema",
    "Status",
    "Table",
    "Usage",
]

Row: TypeAlias = tuple[object, ...]
Status: TypeAlias = Literal["ok", "error", "timeout", "refused", "empty"]
FailureKind: TypeAlias = Literal["error", "timeout", "refused", "cap"]
Kind: TypeAlias = Literal["text", "number", "date", "boolean", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person asked, in plain words, with optional outside knowledge."""

    text: str
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as the database declares it, with a few of its values.

    `type` is the declared type, unchanged ("VARCHAR(20)"); `kind` is what it means to us.
    """

    name: str
    type: str = ""
    kind: Kind = "text"
    comment: str = ""
    primary_key: bool = False
    nullable: bool = True
    examples: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table or view.

    `name` is unique in its `Schema`: the bare name where that reaches the table, otherwise
    `schema.table`. `schema` is the namespace that statements must then name, else None.
    `definition` is the SQL of a view, where the engine tells it.
    """

    name: str
    columns: tuple[Column, ...] = ()
    comment: str = ""
    schema: str | None = None
    is_view: bool = False
    definition: str = ""

    @property
    def bare_name(self) -> str:
        """The name without its namespace."""
        return self.name if self.schema is None else self.name.removeprefix(f"{self.schema}.")

    def column(self, name: str) -> Column | None:
        """Return the column of this name, case-insensitively, or None."""
        return next((c for c in self.columns if c.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRef:
    """The address of a column inside one schema."""

    table: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """`table.columns` point to `referred_table.referred_columns`, position by position.

    `declared` is False where the database does not say so and the names imply it.
    """

    table: str
    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    declared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a database holds, without its rows. `dialect` is sqlglot's name of its SQL.

    `namespace` is where its tables without one are, as far as the engine tells.
    """

    name: str
    tables: tuple[Table, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    dialect: str = "sqlite"
    namespace: str = ""

    def table(self, name: str) -> Table | None:
        """Return the table of this name, case-insensitively, or None."""
        return next((t for t in self.tables if t.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A stored value that the question mentions at characters `start:end` of its text.

    `score` is in [0, 1], 1 for the value exactly as written.
    """

    table: str
    column: str
    value: object
    start: int
    end: int
    score: float
    match: Literal["exact", "prefix", "fuzzy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """All a generator may know about one question: the question, a schema, value hits."""

    question: Question
    schema: Schema
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How likely the answer needs each column and table, 0 to 1; what is absent has 0."""

    columns: Mapping[ColumnRef, float]
    tables: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one statement may cost: seconds of wall time, rows and bytes of result.

    Where `estimate` is given, the engine is asked first, and what it expects to handle more rows
    for is refused, or only warned of (`costly`). With `dry` the plan is all there is. Where
    `hashed` is given, up to so many rows beyond the caps are read to be compared, and not kept.
    """

    seconds: float = 10.0
    rows: int = 10_000
    bytes: int = 64 * 1024 * 1024
    estimate: int | None = None
    costly: Literal["refuse", "warn"] = "refuse"
    dry: bool = False
    hashed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What stands for rows that were not kept, so that results can be compared.

    Equal for equal results in one process, and almost never for others. `rows` counts them all;
    `bag` and `column_bags` mean them in any order, `sequence` and `column_sequences` in theirs.
    """

    rows: int
    bag: int
    sequence: int
    column_bags: tuple[int, ...]
    column_sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a statement returned; `truncated` when a row or byte cap cut it short.

    `warning` says what the engine expected of it, where that was asked and was too much.
    `digest` stands for all rows where some were not kept (`Limits.hashed`).
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    truncated: bool = False
    warning: str = ""
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a statement returned nothing: a value, because refiner and chooser must read it."""

    kind: FailureKind
    message: str


Execution: TypeAlias = Rows | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One SQL text and what the database made of it; None before it ran."""

    sql: str
    execution: Execution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What one generator proposes: its attempts, the last one counts.

    `weight` is the share of the generator's vote that this candidate carries: 1 for a
    generator with one answer, a probability for one hypothesis of a beam.
    `guessed` is True when a value in the SQL was neither in the question nor in the data.
    """

    generator: str
    attempts: tuple[Attempt, ...]
    weight: float = 1.0
    guessed: bool = False

    @property
    def final(self) -> Attempt:
        """The attempt that counts."""
        return self.attempts[-1]

    @property
    def sql(self) -> str:
        """The SQL that counts."""
        return self.final.sql

    @property
    def status(self) -> Status:
        """How the final attempt ended."""
        match self.final.execution:
            case Rows(rows=()):
                return "empty"
            case Rows():
                return "ok"
            case Failure(kind="cap"):
                return "refused"
            case Failure(kind="error" | "timeout" | "refused" as kind):
                return kind
            case _:
                return "error"

    def after(self, attempt: Attempt) -> Candidate:
        """Return this candidate with one more attempt."""
        return replace(self, attempts=(*self.attempts, attempt))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Candidates with the same result. `votes` is the sum of their weights over all votes."""

    members: tuple[int, ...]
    votes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which candidate was chosen, out of which groups (largest first), and how sure we are."""

    candidate: int | None
    groups: tuple[Group, ...] = ()
    confidence: float = 0.0
    rule: Literal["unanimous", "vote", "judged", "approved", "none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One of two results that are about as likely, as a way to understand the question.

    `words` say what its SQL does that the other's does not, `only_here` are the first rows that
    the other result has not. `candidate` is one that reaches it, `votes` its share of all.
    """

    candidate: int
    sql: str
    votes: float
    words: str
    columns: tuple[str, ...]
    row_count: int
    only_here: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the language models were paid for; all zero for embedded generators.

    `usd` is None as soon as one part of it has no known price.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        known = self.usd is not None and other.usd is not None
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=(self.usd or 0.0) + (other.usd or 0.0) if known else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation with a language model."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """What a language model is asked, whichever model it is.

    `schema` is a JSON schema that the reply should follow, `logprobs` asks for the
    probabilities of the first token. Both, and `stop`, are wishes: a model without them
    answers in plain text.
    """

    messages: tuple[Message, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    schema: Mapping[str, object] | None = None
    logprobs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One reply, without what the model thought in between.

    `finish` is "stop", or "length" where the reply was cut. `logprobs` are those of the
    first token's likeliest readings, empty where the model does not tell.
    """

    text: str
    usage: Usage = Usage(calls=1)
    finish: str = "stop"
    logprobs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a question, with the reasons to believe it or not.

    An abstention keeps its best-guess `sql` and `rows`. `warnings` say what makes this
    answer prone to be wrong, in plain words. `timings_ms` maps stages to milliseconds,
    `usage_by_stage` those that asked language models to what they spent. `effective` is how many
    different candidates had a vote, those that are alike counted in part. `readings` are two
    results that are about as likely, none where one stands out.
    """

    question: str
    sql: str | None
    execution: Execution | None
    confidence: float
    abstained: bool = False
    reason: Literal["unsure", "unanswerable", "tie"] | None = None
    choice: Choice = field(default_factory=lambda: Choice(candidate=None))
    candidates: tuple[Candidate, ...] = ()
    hits: tuple[Hit, ...] = ()
    warnings: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    usage: Usage = Usage()
    usage_by_stage: Mapping[str, Usage] = field(default_factory=dict)
    effective: float = 0.0
    readings: tuple[Reading, ...] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.question!r}: {self.sql!r}, {self.confidence:.0%})"

    def __str__(self) -> str:
        return f"Rows: {len(self.rows)}.\n{self.sql or ''}\nConfidence {self.confidence:.0%}."

    @property
    def clarify(self) -> str:
        """The question to ask back where two readings are about as likely, else nothing."""
        if len(self.readings) != 2:
            return ""
        one, other = (reading.words.rstrip(".") for reading in self.readings)
        return f"Do you mean the answer that {one}, or the one that {other}?"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the result's columns; empty when nothing ran."""
        return self.execution.columns if isinstance(self.execution, Rows) else ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The result's rows; empty when nothing ran."""
        return self.execution.rows if isinstance(self.execution, Rows) else ()

    @property
    def truncated(self) -> bool:
        """Whether a cap cut the rows short."""
        return isinstance(self.execution, Rows) and self.execution.truncated

    @property
    def why(self) -> str:
        """One sentence: who voted for what."""
        groups = self.choice.groups
        if not groups:
            return "No candidate ran, so there was nothing to vote on."
        names = {self.candidates[i].generator for i in groups[0].members}
        everyone = {c.generator for c in self.candidates}
        others = f"{len(groups)} different results in all" if len(groups) > 1 else "no other result"
        share = f"{groups[0].votes:.0%} of the vote; {others}."
        return f"{len(names)} of {len(everyone)} generators reach this result with {share}"
