"""Make the language models' part of an ensemble from settings.

What is not covered: embedded members (`api` loads them), and asking anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from quorumsql.config import Settings, variables
from quorumsql.domain import Brief, Ranking
from quorumsql.errors import ConfigError, MissingExtra, UnknownName
from quorumsql.llm.cache import Cached, CompletionCache
from quorumsql.llm.endpoint import OPENAI, Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.llm.prices import price_of
from quorumsql.llm.settings import EndpointSettings
from quorumsql.ports import LanguageModel, Ranker
from quorumsql.solved import examples_path
from quorumsql.stages.budget import Allowance, CostOf
from quorumsql.stages.session import NAMES, PARTS, LanguageEnsemble
from quorumsql.stages.shots import NearestShots
from quorumsql.stores.examples import ExampleStore

__all__ = ["Models", "check_names", "endpoint_of", "prompted_names"]


def check_names(settings: Settings) -> None:
    """Refuse generators that do not exist, and prompted ones without a model.

    Raises:
        UnknownName: there is no such generator, or nothing that could have a model of its own.
        ConfigError: a generator needs a model and none is set.
    """
    for name in settings.named:
        if name not in NAMES and name != "embedded" and not name.startswith("embedded/"):
            raise UnknownName("generator", name, ["embedded", "embedded/NAME", *NAMES])
    for name in settings.llm.models:
        if name not in PARTS:
            raise UnknownName("key of llm.models", name, PARTS)
    prompted = prompted_names(settings)
    if prompted and settings.model is None:
        raise ConfigError(
            f"Generator {prompted[0]!r} asks a language model: name one with --model NAME, or set "
            "`model` in quorum.toml."
        )


def prompted_names(settings: Settings) -> tuple[str, ...]:
    """Return the generators that ask a language model."""
    return tuple(name for name in settings.named if name in NAMES)


def endpoint_of(
    settings: Settings,
    name: str,
    *,
    environ: Mapping[str, str] | None = None,
    needs_key: bool = True,
) -> Endpoint:
    """Return where the model `name` is and with which key; `name` may be that of an endpoint.

    The key of OPENAI_API_KEY goes to OPENAI_BASE_URL only, never to another endpoint.

    Raises:
        ConfigError: the key that is needed is not there.
    """
    environ = variables() if environ is None else environ
    home = environ.get("OPENAI_BASE_URL") or OPENAI
    section = settings.endpoints.get(name) or EndpointSettings(model=name)
    variable, url = section.key_variable, section.base_url or home
    if variable is None and url == home:
        variable = "OPENAI_API_KEY"
        needed = url.rstrip("/") == OPENAI
    else:
        needed = variable is not None
    key = (environ.get(variable) or "").strip() if variable else ""
    if needed and needs_key and not key:
        raise ConfigError(
            f"There is no key for {url}: set {variable}, or OPENAI_BASE_URL for another service."
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"{variable} holds characters that no key has.")
    found = {**asdict(section), "base_url": url, "key_variable": variable}
    return Endpoint(**found, key=key)


class Models:
    """Clients of all endpoints that the settings name, one each, and what they make together."""

    def __init__(
        self, settings: Settings, model: LanguageModel | None = None, *, dry: bool = False
    ) -> None:
        """Build nothing yet; `model` is used instead of the one that the settings name.

        For a `dry` run, which asks nobody, no keys are needed.
        """
        self._settings, self._dry = settings, dry
        self._given = _watched(model, settings) if model is not None else None
        self._cache: CompletionCache | None = None
        self._clients: dict[str, OpenAICompatible] = {}
        self._costs: dict[str, CostOf] = {}

    def ensemble(
        self, generators: Sequence[str], *, ranker: Ranker | None = None
    ) -> LanguageEnsemble:
        """Return the ensemble that asks `generators`.

        `ranker` filters large schemas; without one the embedded members are loaded for it when
        the first is met.

        Raises:
            ConfigError: a key is missing, or a price that a budget needs.
        """
        settings, llm = self._settings, self._settings.llm
        main = self._given or self._model(settings.model or "")
        others = {name: self._model(other) for name, other in llm.models.items()}
        costs = tuple(self._costs.values())
        if llm.max_cost is not None and any(cost(1, 1) is None for cost in costs):
            raise ConfigError(
                "max_cost cannot be kept: the price of a model is not known. Set input_price and "
                "output_price of its endpoint."
            )
        store = ExampleStore(examples_path(settings))
        if "auto" in settings.generators and not store.approved():
            generators = [name for name in generators if name != "icl"]  # it has nothing to show
        allowance = Allowance(calls=llm.max_calls, usd=llm.max_cost, seconds=llm.deadline)
        return LanguageEnsemble(
            model=main,
            models=others,
            generators=tuple(generators),
            allowance=allowance,
            cost_of=_dearest(costs),
            shots=NearestShots(store),
            ranker=ranker or _Members(settings.hypotheses),
            samples=llm.samples,
            narrow=max(settings.max_columns // 2, 1),
            wide=settings.max_columns,
            linking=llm.linking,
            refine=llm.refine,
            selector=llm.selector,
            order=llm.order,
            private=settings.private,
            cascade=settings.cascade,
        )

    def model(self) -> LanguageModel:
        """Return the model that the settings name, for other work than answering.

        Raises:
            ConfigError: no model is named, or its key is missing.
        """
        if self._given is None and self._settings.model is None:
            raise ConfigError("No model is named: use --model NAME.")
        return self._given or self._model(self._settings.model or "")

    def close(self) -> None:
        """Give back connections; safe to call twice."""
        for client in self._clients.values():
            client.close()
        if self._cache is not None:
            self._cache.close()

    def _model(self, name: str) -> LanguageModel:
        endpoint = endpoint_of(self._settings, name, needs_key=not self._dry)
        if name not in self._clients:
            price = price_of(endpoint, self._settings.prices)
            self._clients[name] = OpenAICompatible(endpoint, price=price)
            self._costs[name] = _cost(endpoint, price.of if price is not None else None)
        client = _watched(self._clients[name], self._settings)
        if not self._settings.llm.cache:
            return client
        if self._cache is None:
            self._cache = CompletionCache(
                self._settings.home / "completions.sqlite",
                max_bytes=self._settings.llm.cache_mb * 2**20,
            )
        return Cached(client, self._cache, place=endpoint.base_url)


def _watched(model: LanguageModel, settings: Settings) -> LanguageModel:
    """The model, with a span of OpenTelemetry for each call where the settings ask for it."""
    if not settings.telemetry.enabled:
        return model
    try:
        from quorumsql.spans import SpannedModel
    except ModuleNotFoundError as error:
        raise MissingExtra("telemetry.enabled", "otel") from error
    return SpannedModel(model, content=settings.telemetry.content)


class _Members:
    """A `Ranker` of the embedded members, which are loaded when a schema is first too large."""

    def __init__(self, hypotheses: int) -> None:
        self._hypotheses = hypotheses
        self._lock = threading.Lock()
        self._ranker: Ranker | None = None

    def rank(self, brief: Brief) -> Ranking:
        with self._lock:
            if self._ranker is None:
                from quorumsql.neural.members import load_members
                from quorumsql.stages.narrow import Drafts
                from quorumsql.stages.relevance import load_relevance

                self._ranker = Drafts(load_members(None, beam=self._hypotheses), load_relevance())
            return self._ranker.rank(brief)


def _cost(endpoint: Endpoint, price: Callable[[int, int], float] | None) -> CostOf:
    def cost_of(input_tokens: int, output_tokens: int) -> float | None:
        return price(input_tokens, output_tokens + endpoint.thoughts) if price is not None else None

    return cost_of


def _dearest(costs: Sequence[CostOf]) -> CostOf:
    """The cost at the dearest of several models; None when one is not known."""

    def cost_of(input_tokens: int, output_tokens: int) -> float | None:
        found = [cost(input_tokens, output_tokens) for cost in costs]
        known = [one for one in found if one is not None]
        return max(known) if known and len(known) == len(found) else None

    return cost_of
