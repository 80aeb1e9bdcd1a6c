"""Where a language model is served, and with which key.

What is not covered: reading files and the environment (`config` does), and prices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from quorumsql.errors import ConfigError
from quorumsql.llm.settings import EndpointSettings

__all__ = ["OPENAI", "Endpoint"]

OPENAI = "https://api.openai.com/v1"

_REASONING = re.compile(r"(^|[/_-])(o[134]|gpt-[5-9]|deepseek-r|deepseek-reasoner|qwq)\b", re.I)
_CHAT = re.compile(r"chat", re.I)
_THOUGHTS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(EndpointSettings):
    """One model at one service: what was set about it, with the address and the key found.

    `key` is never printed.
    """

    base_url: str = OPENAI
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.model.strip():
            raise ConfigError("The model has no name: say which, e.g. --model gpt-5-mini.")
        if not re.match(r"https?://[^\s/]", self.base_url):
            raise ConfigError(
                f"base_url must begin with http:// or https://, not {self.base_url!r}."
            )
        if re.match(r"https?://[^/?#]*@", self.base_url):
            raise ConfigError(
                "base_url holds a user or password, which would be shown in messages and is not "
                "sent: name the variable that holds the key as key_variable."
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
    def thoughts(self) -> int:
        """Tokens that the model may think on top of its reply: asked for, and paid for."""
        return _THOUGHTS if self.thinks else 0

    @property
    def url(self) -> str:
        """Address of chat completions."""
        base = self.base_url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"
