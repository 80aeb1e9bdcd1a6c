"""What can be set about language models; `config` reads it, `llm.build` makes models of it.

What is not covered: keys. They come from the environment and are never kept with settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from quorumsql.errors import ConfigError

__all__ = ["EndpointSettings", "LlmSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """One `[endpoints.NAME]`: a model, where it is served, and what it may be asked for.

    Without a `base_url` it is served at OPENAI_BASE_URL. The key is read from the variable
    `key_variable`. At most `concurrency` requests are in flight and `requests_per_minute` begin
    (0: no limit). One attempt may take `timeout` seconds; what may succeed later is tried
    `retries` times more. `n` allows several samples by one request, `stream` receives replies
    piece by piece, `json_schema` and `logprobs` may be asked for; where the service turns out not
    to know them they are left out from then on. `system` False puts instructions into the user's
    turn. `reasoning` models get no temperature; None guesses by the name. `context` is what fits
    in tokens, 0 when not known. Prices are US dollars per million tokens and win over the table.
    """

    model: str
    base_url: str = ""
    key_variable: str | None = None
    concurrency: int = 16
    requests_per_minute: int = 0
    timeout: float = 60.0
    retries: int = 4
    n: bool = True
    stream: bool = False
    json_schema: bool = True
    logprobs: bool = True
    system: bool = True
    reasoning: bool | None = None
    context: int = 0
    input_price: float | None = None
    output_price: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """How language models take part.

    A `cascade` of 0 always asks them, otherwise an embedded answer of at least this confidence
    stands. `selector` chooses when results differ, showing candidates in `order`; `linking`
    "model" lets a model choose the columns of a large schema. `samples` of each generator are
    drawn. One question may make `max_calls` calls, cost `max_cost` dollars and take `deadline`
    seconds. Completions are kept in a `cache` of `cache_mb`. `examples` is the file of solved
    questions, `models` maps generators, "selector" and "linking" to other models than the common
    one.
    """

    cascade: float = 0.85
    selector: Literal["vote", "llm", "xiyan", "duel", "agree"] = "llm"
    order: Literal["s1", "s2", "s3"] = "s3"
    linking: Literal["rules", "model"] = "rules"
    refine: bool = True
    samples: int = 1
    max_calls: int | None = None
    max_cost: float | None = None
    deadline: float = 120.0
    cache: bool = True
    cache_mb: int = 256
    examples: Path | None = None
    models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for name in ("samples", "deadline", "cache_mb"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"llm.{name} must be greater than 0.")
        for name in ("max_calls", "max_cost", "cascade"):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"llm.{name} must not be negative.")
