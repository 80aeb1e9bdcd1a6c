"""What tokens cost: a small table that users may edit, and nothing invented.

What is not covered: discounts for cached input or batches, and currencies.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from quorumsql.llm.endpoint import OPENAI, Endpoint

__all__ = ["Price", "price_of"]

Table: TypeAlias = Mapping[str, Sequence[float]]

_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4,8}|latest)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Return what so many tokens cost."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


def price_of(endpoint: Endpoint, own: Table | None = None) -> Price | None:
    """Return the price of the endpoint's model, None when nobody said it.

    The endpoint's own prices come first, then the table `own`, then ours. Ours holds the prices
    of one service only, so it does not speak about models served anywhere else.
    """
    if endpoint.input_price is not None and endpoint.output_price is not None:
        return Price(input=endpoint.input_price, output=endpoint.output_price)
    tables = [own or {}]
    if endpoint.base_url.rstrip("/") == OPENAI:
        tables.append(_shipped())
    for table in tables:
        for name in (endpoint.model, _DATED.sub("", endpoint.model)):
            if name in table:
                return Price(input=table[name][0], output=table[name][1])
    return None


def _shipped() -> Table:
    text = (Path(__file__).parent / "prices.toml").read_text(encoding="utf-8")
    prices: Table = tomllib.loads(text)["prices"]
    return prices
