"""Where a language model is served, and what it may be asked for.

What is not covered: reading files and the environment (`config` does), and prices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from quorumsql.errors import ConfigError

__all__ = ["OPENAI", "Endpoint"]

OPENAI = "https://api.openai.com/v1"

_REASONING = re.compile(r"(^|[/_-])(o[134]|gpt-[5-9]|deepseek-r|deepseek-reasoner|qwq)\b", re.I)
_CHAT = re.compile(r"chat", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One model at one service.

    `key` is never printed. At most `concurrency` requests are in flight and
    `requests_per_minute` begin (0: no limit). One attempt may take `timeout` seconds; what may
    succeed later is tried `retries` times more. `n` allows several samples by one request,
    `stream` receives replies piece by piece, `json_schema` and `logprobs` may be asked for;
    where the service turns out not to know them they are left out from then on. `system` False
    puts instructions into the user's turn. `reasoning` models get no temperature; None guesses
    by the name. `context` is what fits in tokens, 0 when not known. Prices are US dollars per
    million tokens and win over the table.
    """

    model: str
    base_url: str = OPENAI
    key: str = field(default="", repr=False)
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

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.model.strip():
            raise ConfigError("The model has no name: say which, e.g. --model gpt-5-mini.")
        if not re.match(r"https?://[^\s/]", self.base_url):
            raise ConfigError(
                f"base_url must begin with http:// or https://, not {self.base_url!r}."
            )
        for name in ("concurrency", "timeout"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} of an endpoint must be greater than 0.")
        for name in ("requests_per_minute", "retries", "context"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} of an endpoint must not be negative.")

    @property
    def thinks(self) -> bool:
        """Whether the model reasons before it replies, and takes no temperature."""
        if self.reasoning is not None:
            return self.reasoning
        return bool(_REASONING.search(self.model)) and not _CHAT.search(self.model)

    @property
    def url(self) -> str:
        """Address of chat completions."""
        base = self.base_url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"
