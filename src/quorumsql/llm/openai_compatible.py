"""A language model behind `POST …/chat/completions`, of any service that offers it.

Everything beyond that one request is a wish: when a service does not know `n`, streaming, JSON
schemas or log-probabilities, it is asked without them from then on. Requests wait for their turn,
are tried again after 429, 5xx, timeouts and broken replies, and end in time: a request runs
in a thread of its own that is left behind when the deadline comes.

What is not covered: batches, tools, services that speak another protocol, and a deadline during the
first request's import of the `openai` package, which takes a third of a second.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from quorumsql.domain import Completion, ModelRequest, Usage
from quorumsql.errors import ContextTooLong, ModelError, ModelRefused, ModelUnavailable
from quorumsql.llm import wire
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.gate import Gate
from quorumsql.llm.prices import Price
from quorumsql.outcome import Outcome
from quorumsql.replies import without_thoughts

if TYPE_CHECKING:
    from quorumsql.llm.service import Service

__all__ = ["OpenAICompatible"]

LONG = 3_600.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 20.0
_SHOWN = 200
_REPEATED = 24
"""So many characters of our prompt in a service's words are no coincidence."""

_Sent = Outcome[wire.Reply | wire.Failed]


class OpenAICompatible:
    """A `LanguageModel`; safe to use from many threads."""

    def __init__(self, endpoint: Endpoint, *, price: Price | None = None) -> None:
        """Take where and which; nothing is sent before the first request."""
        self._endpoint = endpoint
        self._price = price
        self._gate = Gate(concurrency=endpoint.concurrency, per_minute=endpoint.requests_per_minute)
        self._lock = threading.Lock()
        self._service: Service | None = None
        self._without: frozenset[str] = frozenset()
        self._jitter = random.Random()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._endpoint.model

    @property
    def endpoint(self) -> Endpoint:
        """Where it is served."""
        return self._endpoint

    def close(self) -> None:
        """Give back connections; safe to call twice."""
        with self._lock:
            if self._service is not None:
                self._service.close()

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        """Return up to `samples` replies, at least one.

        Raises:
            ModelUnavailable: no usable reply came in time.
            ContextTooLong: the prompt does not fit.
            ModelRefused: the service refuses key, model or request.
        """
        until = time.monotonic() + (LONG if seconds is None else seconds)
        self._refuse_too_long(request)
        self._opened()  # here, so that the first attempt has all of its time
        replies = list(self._tried(request, samples, until))[:samples]
        if len(replies) < samples:
            replies += self._repeated(request, samples - len(replies), until)
        return tuple(replies)

    def _refuse_too_long(self, request: ModelRequest) -> None:
        """Spare a request that cannot fit: even at four characters to a token it is too long."""
        tokens = sum(len(one.text) for one in request.messages) // 4 + request.max_tokens
        if 0 < self._endpoint.context < tokens:
            raise ContextTooLong(
                f"The prompt is too long for {self.name!r}, whose context is "
                f"{self._endpoint.context:,} tokens: set max_columns lower."
            )

    def _repeated(self, request: ModelRequest, times: int, until: float) -> list[Completion]:
        """Samples by one request each, all at once; those that fail or are late are left out."""
        self._without |= {"n"}
        done: queue.SimpleQueue[Outcome[tuple[Completion, ...]]] = queue.SimpleQueue()

        def work() -> None:
            with Outcome[tuple[Completion, ...]]() as outcome:
                outcome.answer = (self._tried(request, 1, until),)
            done.put(outcome)

        for _ in range(times):
            threading.Thread(target=work, daemon=True).start()
        found: list[Completion] = []
        for _ in range(times):
            left = max(until - time.monotonic(), 0.0)
            with suppress(ModelError, queue.Empty):
                found += done.get(timeout=min(left, threading.TIMEOUT_MAX)).value()[:1]
        return found

    def _tried(self, request: ModelRequest, samples: int, until: float) -> tuple[Completion, ...]:
        """Try until there is a reply, no hope or no time."""
        failures = sent = 0
        tried: Set[str] = frozenset()
        while True:
            without = self._without | tried
            asked = 1 if "n" in without else samples
            body = wire.body_of(request, self._endpoint, samples=asked, without=without)
            outcome = self._attempt(body, until)
            if isinstance(outcome, wire.Reply):
                self._without |= tried  # it did help
                return self._completions(outcome, request.stop)
            if outcome.status is not None and not outcome.retryable:
                tried |= self._unknown_or_raise(outcome, body)
                continue
            failures += 1
            sent += outcome.status is None and outcome.reached
            self._pause_or_raise(outcome, failures, until, sent=sent)

    def _attempt(self, body: Mapping[str, Any], until: float) -> wire.Reply | wire.Failed:
        """One request, waited for no longer than until the deadline or the timeout."""
        if not self._gate.enter(until):
            return wire.Failed(
                reason="there was no free place in time", hopeless=True, reached=False
            )
        limit = min(self._endpoint.timeout, max(until - time.monotonic(), 0.001))
        done: queue.SimpleQueue[_Sent] = queue.SimpleQueue()
        sender = threading.Thread(
            target=self._send, args=(body, limit, done), name="completion", daemon=True
        )
        sender.start()
        try:
            outcome = done.get(timeout=limit)
        except queue.Empty:
            return wire.Failed(reason=f"it gave no reply within {limit:.3g} s")
        return outcome.value()

    def _send(
        self, body: Mapping[str, Any], seconds: float, done: queue.SimpleQueue[_Sent]
    ) -> None:
        """Send one request; runs in a thread that nobody may wait for any more."""
        with _Sent() as outcome:
            outcome.answer = (self._opened().send(body, seconds),)
        self._gate.leave()
        done.put(outcome)

    def _opened(self) -> Service:
        """The service. Importing its package takes a third of a second: not before it is used."""
        with self._lock:
            if self._service is None:
                from quorumsql.llm.service import Service

                self._service = Service(self._endpoint)
            return self._service

    def _unknown_or_raise(self, failed: wire.Failed, body: Mapping[str, Any]) -> Set[str]:
        """What the service may not know, to be left out; raise when it refuses all the same."""
        status, message = failed.status or 0, failed.message
        if wire.too_long(status, message):
            raise ContextTooLong(
                f"The prompt is too long for {self.name!r}: set `context` of its endpoint, or "
                "max_columns, lower."
            )
        if status in {400, 404, 422, 500, 501}:
            unknown = wire.refused(status, message, body)
            if unknown:
                return unknown
        raise ModelRefused(_refusal(self._endpoint, status, self._shown(message, body)))

    def _pause_or_raise(
        self, failed: wire.Failed, failures: int, until: float, *, sent: int
    ) -> None:
        """Wait as long as the service asks, or longer after each failure; or give up."""
        pause = failed.pause
        if pause is None:
            pause = min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
            pause *= 0.5 + self._jitter.random() / 2
        moment = time.monotonic() + pause
        if failed.hopeless or failures > self._endpoint.retries or moment >= until:
            times = f"{failures} attempts" if failures > 1 else "1 attempt"
            raise ModelUnavailable(
                f"Model {self.name!r} at {self._endpoint.base_url} gave no answer "
                f"({times}): {failed.reason}.",
                sent=sent,
            )
        if failed.pause is not None:
            self._gate.close_until(moment)
        time.sleep(pause)

    def _completions(self, reply: wire.Reply, stop: Sequence[str]) -> tuple[Completion, ...]:
        """Replies without thoughts, ended where asked to; the first carries all tokens."""
        known = reply.input_tokens is not None and reply.output_tokens is not None
        tokens = (reply.input_tokens or 0, reply.output_tokens or 0)
        usd = self._price.of(*tokens) if self._price is not None and known else None
        first = Usage(calls=1, input_tokens=tokens[0], output_tokens=tokens[1], usd=usd)
        return tuple(
            Completion(
                text=_stopped(without_thoughts(text), stop),
                usage=first if number == 0 else Usage(calls=1),
                finish=finish,
                logprobs=reply.logprobs[number] if number < len(reply.logprobs) else {},
            )
            for number, (text, finish) in enumerate(zip(reply.texts, reply.finishes, strict=True))
        )

    def _shown(self, message: str, body: Mapping[str, Any]) -> str:
        """The beginning of the service's words without our key; none if it repeats our prompt."""
        key = self._endpoint.key
        if key:
            message = message.replace(key, "…")  # in all of it: a cut key would not be found
        # All repeats that begin in what is shown end in this; the rest may be megabytes.
        message = message[: _SHOWN + _REPEATED]
        prompt = "\n".join(one["content"] for one in body["messages"])
        starts = range(max(len(message) - _REPEATED + 1, 0))
        repeated = any(message[i : i + _REPEATED] in prompt for i in starts)
        return "" if repeated else message[:_SHOWN]


def _stopped(text: str, stop: Sequence[str]) -> str:
    """The text up to the first stop sequence, for services that do not stop there."""
    return text[: min((text.find(one) for one in stop if one in text), default=len(text))]


def _refusal(endpoint: Endpoint, status: int, message: str) -> str:
    """One line: what was refused, where, what to do."""
    said = f" It says: {message}" if message else ""
    place = endpoint.base_url
    match status:
        case 401 | 403:
            what = "no key was sent" if not endpoint.key else "it refuses the key"
            where = endpoint.key_variable or "key_variable of its endpoint"
            return f"{place}: {what} (status {status}); set {where}.{said}"
        case 402 | 429:
            return f"{place}: the account has no credit left (status {status}).{said}"
        case 404:
            return (
                f"{place} has no model {endpoint.model!r}, or no chat completions there "
                f"(status 404): check --model and OPENAI_BASE_URL.{said}"
            )
        case _ if 300 <= status < 400:
            return f"{place} redirects (status {status}): set OPENAI_BASE_URL to the final address."
        case _:
            return f"{place} refuses the request for {endpoint.model!r} (status {status}).{said}"
