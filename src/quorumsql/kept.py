"""What takes long to make of an object and is asked for again: kept for the last few of them.

Objects are told apart by identity, which costs nothing however large they are; a schema stays one
object as long as its connection. Databases take turns in a server, so one place would not do.

What is not covered: keeping what was made when the object has gone, and equal objects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Kept"]

_Key = TypeVar("_Key")
_Made = TypeVar("_Made")

MOST = 8


class Kept(Generic[_Key, _Made]):
    """Makes something of an object once. Safe for threads: at worst two make the same."""

    def __init__(self, make: Callable[[_Key], _Made]) -> None:
        """Take what makes it."""
        self._make = make
        self._known: deque[tuple[_Key, _Made]] = deque(maxlen=MOST)

    def of(self, key: _Key) -> _Made:
        """Return what is made of `key`, anew where it was not among the last 8."""
        for known, made in tuple(self._known):
            if known is key:
                return made
        made = self._make(key)
        self._known.append((key, made))
        return made
