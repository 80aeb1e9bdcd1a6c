"""Whether something happens in time, on a machine that may be busy.

A busy machine is late now and then; what does not stop is late every time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

TRIES = 4


def allowed(seconds: float) -> float:
    """So many seconds, times how many processes share a core of this machine."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def in_time(seconds: float, attempt: Callable[[], float], *, what: str = "") -> None:
    """Fail unless `attempt`, which returns the seconds that it took, is in time once."""
    best = float("inf")
    for _ in range(TRIES):
        best = min(best, attempt())
        if best <= allowed(seconds):
            return
    pytest.fail(f"{best:.2f} seconds at best, allowed are {allowed(seconds):.2f}: {what}")


def wait_until(true: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Wait for what another thread or process brings about."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} seconds"
        time.sleep(0.02)


def wait_for_statements(database: Any, count: int = 1) -> None:
    """Wait until so many statements run on one of our databases: only these can be cancelled."""
    wait_until(lambda: len(database._running._budgets) == count)
