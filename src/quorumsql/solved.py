"""Where solved questions lie, and what answering makes of those about one database.

What is not covered: keeping them (`stores.examples`), and showing them to models (`assemble`).
"""

from __future__ import annotations

from pathlib import Path

from quorumsql.config import Settings, database_home
from quorumsql.stages.recall import Recall
from quorumsql.stores.examples import ExampleStore, OwnExamples

__all__ = ["examples_path", "recall_of"]


def examples_path(settings: Settings) -> Path:
    """Return the file of examples that the settings name, or the user's own."""
    return settings.llm.examples or settings.home / "examples.jsonl"


def recall_of(settings: Settings, url: str, name: str) -> Recall | None:
    """Return what recalls the questions solved about the database `name`; None if not wanted."""
    if not settings.members.recall:
        return None
    home = database_home(settings, url).name
    return Recall(OwnExamples(ExampleStore(examples_path(settings)), home=home, database=name))
