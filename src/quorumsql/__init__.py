"""Ask a database a question in plain words; an ensemble answers, and says how sure it is.

    from quorumsql import connect

    answer = connect("sqlite:///shop.db").ask("How many customers are there?")
    answer.sql, answer.rows, answer.confidence, answer.why

Names are loaded when first used, so that importing the package is quick.

What is not covered: anything below this surface; other modules may change between versions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quorumsql.api import Connection, answer_object, connect
    from quorumsql.config import Settings, load_settings
    from quorumsql.domain import Answer, Candidate, Failure, Limits, Question, Rows, Schema
    from quorumsql.errors import QuorumError

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Candidate",
    "Connection",
    "Failure",
    "Limits",
    "Question",
    "QuorumError",
    "Rows",
    "Schema",
    "Settings",
    "__version__",
    "answer_object",
    "connect",
    "load_settings",
]

_HOMES = {
    "Answer": "domain",
    "Candidate": "domain",
    "Connection": "api",
    "Failure": "domain",
    "Limits": "domain",
    "Question": "domain",
    "QuorumError": "errors",
    "Rows": "domain",
    "Schema": "domain",
    "Settings": "config",
    "answer_object": "api",
    "connect": "api",
    "load_settings": "config",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
