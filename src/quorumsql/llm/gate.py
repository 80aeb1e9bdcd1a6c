"""Lets requests to one endpoint through: so many at once, so many per minute.

What is not covered: limits shared by several processes, and limits on tokens; a service that
counts those says so with status 429, which `openai_compatible` waits out.
"""

from __future__ import annotations

import threading
import time
from collections import deque

__all__ = ["Gate"]


class Gate:
    """Holds callers back until there is room, or until their time is over."""

    def __init__(self, *, concurrency: int, per_minute: int = 0) -> None:
        """Let `concurrency` callers in at once, `per_minute` in any 60 s (0: no limit)."""
        self._room = concurrency
        self._per_minute = per_minute
        self._begun: deque[float] = deque(maxlen=per_minute or 1)
        self._changed = threading.Condition()
        self._closed_until = 0.0

    def enter(self, until: float) -> bool:
        """Wait for room until the moment `until` of the monotonic clock; say whether there is."""
        with self._changed:
            while True:
                now = time.monotonic()
                wait = self._wait(now)
                if wait <= 0:
                    self._room -= 1
                    if self._per_minute:
                        self._begun.append(now)
                    return True
                if now >= until:
                    self._changed.notify()  # a place that was offered to us may be free
                    return False
                self._changed.wait(min(wait, until - now))

    def leave(self) -> None:
        """Make room."""
        with self._changed:
            self._room += 1
            self._changed.notify()

    def close_until(self, moment: float) -> None:
        """Let nobody in before `moment`: the service asked for a pause."""
        with self._changed:
            self._closed_until = max(self._closed_until, moment)

    def _wait(self, now: float) -> float:
        """Seconds until it is worth looking again; 0 when there is room."""
        waits = [self._closed_until - now]
        if self._room <= 0:
            waits.append(3600.0)
        if self._per_minute and len(self._begun) == self._per_minute:
            waits.append(self._begun[0] + 60.0 - now)
        return max(0.0, *waits)
