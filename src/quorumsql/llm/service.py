"""Send one request for chat completions with the `openai` package, and say what became of it.

The package sends and reads; waiting, trying again and giving up are `openai_compatible`'s, since a
deadline per question and a gate per endpoint are more than its own retries know. A service hears
what a completion needs and nothing else: no header that the package or the environment adds.

What is not covered: a deadline that holds while a service sends byte after byte before its reply
begins; the caller's thread stops waiting then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from quorumsql.llm import wire
from quorumsql.llm.endpoint import Endpoint

__all__ = ["MAX_BYTES", "Service"]

MAX_BYTES = 8 * 1024 * 1024
_SENT = {"accept", "connection", "content-length", "content-type", "host", "transfer-encoding"}


class Service:
    """One endpoint; safe to use from many threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Open nothing yet."""
        self._key = endpoint.key
        local = urlsplit(endpoint.url).hostname in {"localhost", "127.0.0.1", "::1"}
        connections = httpx2.Client(
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=endpoint.concurrency
            ),
            trust_env=not local,  # a proxy of the environment does not know this machine
            verify=endpoint.url.startswith("https:"),  # reading certificates takes 0.1 s
            event_hooks={"request": [self._bare], "response": [_bounded]},
        )
        self._client = openai.OpenAI(
            api_key=endpoint.key or "none",
            base_url=endpoint.url.removesuffix("/chat/completions"),
            max_retries=0,
            http_client=connections,
        )

    def close(self) -> None:
        """Give back connections; safe to call twice."""
        self._client.close()

    def send(self, body: Mapping[str, Any], seconds: float) -> wire.Reply | wire.Failed:
        """Return the reply to one request, or why there is none within `seconds`."""
        try:
            if body.get("stream"):
                return _streamed(self._posted(body, seconds, stream=True))
            return wire.whole(self._posted(body, seconds, stream=False))
        except openai.APIStatusError as error:
            return _refused(error)
        except openai.APIConnectionError as error:
            return _lost(error.__cause__)
        except openai.APIError:
            return wire.Failed(reason="its stream ended in an error")
        except wire.Unusable as error:
            return wire.Failed(reason=str(error))
        except (ValueError, RecursionError):  # what json raises
            return wire.Failed(reason="its reply is not JSON")
        except (TypeError, AttributeError):
            return wire.Failed(reason="its reply is malformed")

    def _posted(self, body: Mapping[str, Any], seconds: float, *, stream: bool) -> Any:
        """A `ChatCompletion`, or a `Stream` of its pieces.

        `chat.completions.create` does the same, but copies every parameter by its type first: a
        quarter of its time, for a body that is made here.
        """
        return self._client.post(
            "/chat/completions",
            body=body,
            cast_to=ChatCompletion,
            options={"timeout": httpx2.Timeout(seconds, pool=None)},
            stream=stream,
            stream_cls=openai.Stream[ChatCompletionChunk],
        )

    def _bare(self, request: httpx2.Request) -> None:
        """Leave only the headers that a completion needs, and the key that is meant for it."""
        for name in set(request.headers) - _SENT:
            del request.headers[name]
        request.headers["User-Agent"] = "quorumsql"
        request.headers["Accept-Encoding"] = (
            "identity"  # a small reply cannot unpack to a large one
        )
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        request.extensions["ends"] = time.monotonic() + request.extensions["timeout"]["read"]


class _TooLong(httpx2.TransportError):
    """More was sent than any reply needs."""


class _Bounded(httpx2.SyncByteStream):
    """The bytes of a reply while they are few enough and come in time."""

    def __init__(self, stream: httpx2.SyncByteStream, ends: float) -> None:
        self._stream, self._ends = stream, ends

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise _TooLong("too long")
            if time.monotonic() > self._ends:
                raise httpx2.ReadTimeout("too slow")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _bounded(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.DecodingError("nobody asked for it", request=response.request)
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Bounded(response.stream, response.request.extensions["ends"])


def _streamed(stream: openai.Stream[Any]) -> wire.Reply:
    """The reply that a stream ends with; some services send it whole although asked to stream."""
    with stream:
        if "json" in stream.response.headers.get("content-type", ""):
            stream.response.read()
            return wire.whole(ChatCompletion.construct(**stream.response.json()))
        return wire.pieced(stream)


def _refused(error: openai.APIStatusError) -> wire.Failed:
    return wire.Failed(
        reason=f"status {error.status_code}",
        status=error.status_code,
        message=wire.error_message(error.body),
        pause=_asked_pause(error.response.headers),
    )


def _lost(cause: BaseException | None) -> wire.Failed:
    """What happened on the way, in words."""
    match cause:
        case _TooLong():
            reason = f"its reply is longer than {MAX_BYTES // 2**20} MB"
            return wire.Failed(reason=reason, hopeless=True)
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return wire.Failed(reason="nothing answers at this address", reached=False)
        case httpx2.TimeoutException():
            return wire.Failed(reason="it took too long")
        case httpx2.RemoteProtocolError() | httpx2.ReadError():
            return wire.Failed(reason="its reply was cut")
        case httpx2.DecodingError():
            return wire.Failed(reason="its reply is compressed, which nobody asked for")
        case _:
            return wire.Failed(reason=type(cause).__name__)


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for, in any of its forms; None where it names no such time."""
    forms = (("retry-after-ms", _thousandths), ("retry-after", _seconds_or_date))
    for name, read in forms:
        with suppress(ValueError, TypeError, OverflowError):  # of numbers and of dates
            pause = read(headers.get(name, "").strip())
            if 0.0 <= pause < math.inf:  # "nan" and "inf" are numbers to Python
                return pause
    return None


def _thousandths(value: str) -> float:
    return float(value) / 1000


def _seconds_or_date(value: str) -> float:
    if value.replace(".", "", 1).isdigit():
        return float(value)
    moment = parsedate_to_datetime(value)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
