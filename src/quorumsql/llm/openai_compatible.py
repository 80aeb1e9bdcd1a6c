"""A language model behind `POST …/chat/completions`, of any service that offers it.

Everything beyond that one request is a wish: when a service does not know `n`, streaming, JSON
schemas or log-probabilities, it is asked without them from then on. Requests wait for their turn,
are tried again after 429, 5xx, timeouts, broken and empty replies, and end in time: a request runs
in a thread of its own that is left behind when the deadline comes.

What is not covered: batches, tools, and services that speak another protocol.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from quorumsql.domain import Completion, ModelRequest, Usage
from quorumsql.errors import ContextTooLong, ModelError, ModelRefused, ModelUnavailable
from quorumsql.llm import wire
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.gate import Gate
from quorumsql.llm.prices import Price
from quorumsql.replies import without_thoughts

__all__ = ["OpenAICompatible"]

MAX_BYTES = 8 * 1024 * 1024
LONG = 3_600.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 20.0
_SHOWN = 200


class OpenAICompatible:
    """A `LanguageModel`; safe to use from many threads."""

    def __init__(self, endpoint: Endpoint, *, price: Price | None = None) -> None:
        """Take where and which; nothing is sent before the first request."""
        self._endpoint = endpoint
        self._price = price
        self._gate = Gate(concurrency=endpoint.concurrency, per_minute=endpoint.requests_per_minute)
        local = urlsplit(endpoint.url).hostname in {"localhost", "127.0.0.1", "::1"}
        self._client = httpx2.Client(
            headers=_headers(endpoint),
            timeout=endpoint.timeout,
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=endpoint.concurrency
            ),
            trust_env=not local,  # a proxy of the environment does not know this machine
            verify=endpoint.url.startswith("https:"),  # reading certificates takes 0.1 s
        )
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
        self._client.close()

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
        """Samples by one request each, all at once; those that fail are left out."""
        self._without |= {"n"}
        done: queue.SimpleQueue[tuple[Completion, ...]] = queue.SimpleQueue()

        def work() -> None:
            try:
                done.put(self._tried(request, 1, until))
            except ModelError:
                done.put(())

        for _ in range(times):
            threading.Thread(target=work, daemon=True).start()
        return [completion for _ in range(times) for completion in done.get()[:1]]

    def _tried(self, request: ModelRequest, samples: int, until: float) -> tuple[Completion, ...]:
        """Try until there is a reply, no hope or no time."""
        failures = 0
        while True:
            asked = 1 if "n" in self._without else samples
            body = wire.body_of(request, self._endpoint, samples=asked, without=self._without)
            outcome = self._attempt(body, until)
            if isinstance(outcome, wire.Reply):
                return self._completions(outcome, request.stop)
            if outcome.status is not None and not outcome.retryable:
                self._learn_or_raise(outcome, body)
                continue
            failures += 1
            self._pause_or_raise(outcome, failures, until)

    def _attempt(self, body: Mapping[str, Any], until: float) -> wire.Reply | _Failed:
        """One request, waited for no longer than until the deadline or the timeout."""
        if not self._gate.enter(until):
            return _Failed(reason="there was no free place in time", hopeless=True)
        limit = min(self._endpoint.timeout, max(until - time.monotonic(), 0.001))
        end = time.monotonic() + limit
        done: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        sender = threading.Thread(
            target=self._send, args=(body, limit, end, done), name="completion", daemon=True
        )
        sender.start()
        try:
            outcome = done.get(timeout=limit)
        except queue.Empty:
            return _Failed(reason=f"it gave no reply within {limit:.3g} s")
        if outcome.error is not None:
            raise outcome.error
        assert outcome.answer is not None
        return outcome.answer

    def _send(
        self, body: Mapping[str, Any], limit: float, end: float, done: queue.SimpleQueue[_Outcome]
    ) -> None:
        """Send one request; runs in a thread that nobody may wait for any more."""
        outcome = _Outcome()
        with outcome:
            try:
                with self._client.stream(
                    "POST", self._endpoint.url, json=body, timeout=httpx2.Timeout(limit, pool=None)
                ) as response:
                    outcome.answer = self._received(response, end)
            except httpx2.TransportError as error:
                outcome.answer = _Failed(reason=_words(error))
            except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
                outcome.answer = _Failed(reason=type(error).__name__)
        self._gate.leave()
        done.put(outcome)

    def _received(self, response: httpx2.Response, end: float) -> wire.Reply | _Failed:
        kind = response.headers.get("content-type", "")
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MAX_BYTES:
                reason = f"its reply is longer than {MAX_BYTES // 2**20} MB"
                return _Failed(reason=reason, hopeless=True)
            if time.monotonic() > end:
                return _Failed(reason="its reply did not end in time")
            chunks.append(chunk)
        content = b"".join(chunks)
        if response.status_code != 200:
            return _Failed(
                reason=f"status {response.status_code}",
                status=response.status_code,
                message=wire.error_message(content),
                pause=_asked_pause(response.headers),
            )
        try:
            if "text/event-stream" in kind or content.startswith(b"data:"):
                return wire.parse_stream(content.decode("utf-8", "replace").splitlines())
            return wire.parse(content)
        except (wire.Unusable, TypeError, AttributeError, ValueError) as error:
            reason = str(error) if isinstance(error, wire.Unusable) else "its reply is malformed"
            return _Failed(reason=reason)

    def _learn_or_raise(self, failed: _Failed, body: Mapping[str, Any]) -> None:
        """Leave out what the service does not know; raise when it refuses all the same."""
        status, message = failed.status or 0, failed.message
        if wire.too_long(status, message):
            raise ContextTooLong(
                f"The prompt is too long for {self.name!r}: set `context` of its endpoint, or "
                "max_columns, lower."
            )
        if status in {400, 404, 422, 500, 501}:
            unknown = wire.refused(status, message, body)
            if unknown:
                self._without |= unknown
                return
        raise ModelRefused(_refusal(self._endpoint, status, self._shown(message, body)))

    def _pause_or_raise(self, failed: _Failed, failures: int, until: float) -> None:
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
                f"({times}): {failed.reason}."
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
        """The service's words, unless they repeat our key or our prompt."""
        key = self._endpoint.key
        if key:
            message = message.replace(key, "…")
        prompt = "\n".join(one["content"] for one in body["messages"])
        repeated = any(message[i : i + 24] in prompt for i in range(max(len(message) - 23, 0)))
        return "" if repeated else message[:_SHOWN]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failed:
    """Why one attempt brought nothing. `pause` is how long the service asks to wait."""

    reason: str
    status: int | None = None
    message: str = ""
    pause: float | None = None
    hopeless: bool = False

    @property
    def retryable(self) -> bool:
        quota = "insufficient_quota" in self.message
        status = self.status or 0
        return (status in {408, 409, 425, 429} and not quota) or (status >= 500 and status != 501)


@dataclass(slots=True)
class _Outcome:
    """Carries what a thread returned or raised to the thread that waits for it."""

    answer: wire.Reply | _Failed | None = None
    error: BaseException | None = field(default=None)

    def __enter__(self) -> _Outcome:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self.error = error
        return True  # raised again by the waiting thread


def _stopped(text: str, stop: Sequence[str]) -> str:
    """The text up to the first stop sequence, for services that do not stop there."""
    return text[: min((text.find(one) for one in stop if one in text), default=len(text))]


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"User-Agent": "quorumsql", "Accept": "application/json, text/event-stream"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    return headers


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for, in any of its forms."""
    try:
        if "retry-after-ms" in headers:
            return max(float(headers["retry-after-ms"]) / 1000, 0.0)
        value = headers.get("retry-after", "").strip()
        if not value:
            return None
        if value.replace(".", "", 1).isdigit():
            return float(value)
        moment = parsedate_to_datetime(value)
        return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _words(error: httpx2.TransportError) -> str:
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return "nothing answers at this address"
        case httpx2.TimeoutException():
            return "it took too long"
        case httpx2.RemoteProtocolError() | httpx2.ReadError():
            return "its reply was cut"
        case _:
            return type(error).__name__


def _refusal(endpoint: Endpoint, status: int, message: str) -> str:
    """One line: what was refused, where, what to do."""
    said = f" It says: {message}" if message else ""
    place = endpoint.base_url
    match status:
        case 401 | 403:
            what = "no key was sent" if not endpoint.key else "it refuses the key"
            return f"{place}: {what} (status {status}); set OPENAI_API_KEY.{said}"
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
