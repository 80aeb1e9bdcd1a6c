"""The answerer that a benchmark measures by default: our own pipeline, through `api`.

What is not covered: anything about gold; this module does not know the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from typing import Final

from quorumsql.api import Connection, connect, open_guarded
from quorumsql.config import Settings
from quorumsql.db.described import DescribedDatabase
from quorumsql.evals.descriptions import commented, descriptions_beside
from quorumsql.evals.worker import Asks

__all__ = ["Ensemble", "identity", "weights_digest"]

_BESIDE: Final = ("home", "data", "web", "audit", "telemetry", "who")
_SECRET: Final = re.compile(r"pass|secret|header|^key$|^api_key$|^tokens?$", re.IGNORECASE)


def identity(settings: Settings) -> dict[str, object]:
    """Return what of `settings` answers depend on; two runs with different ones are different.

    It stands in a run's folder, which is for showing around: no place of this machine, no name of
    a person and nothing that may be a secret is in it.
    """
    chosen = {key: value for key, value in asdict(settings).items() if key not in _BESIDE}
    return {key: _shareable(value) for key, value in chosen.items()}


def _shareable(value: object) -> object:
    if isinstance(value, Mapping):
        return {k: _shareable(v) for k, v in value.items() if not _SECRET.search(str(k))}
    return [_shareable(item) for item in value] if isinstance(value, list | tuple) else value


def weights_digest() -> str | None:
    """Return a hash of the embedded members' files, None where none are installed.

    Two runs with different weights are different runs, whatever their settings say.
    """
    from quorumsql.neural.members import WEIGHTS  # loads onnxruntime, which --help must not

    if not WEIGHTS.is_dir():
        return None
    digest = sha256()
    for path in sorted(path for path in WEIGHTS.rglob("*") if path.is_file()):
        digest.update(path.relative_to(WEIGHTS).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Ensemble:
    """Answers with `settings` on every database. It pickles, so that workers can have it."""

    def __init__(self, settings: Settings, *, descriptions: bool = False) -> None:
        """Keep the settings; nothing is loaded before the first database opens.

        Questions that the user has solved answer nothing here: they may be the benchmark's own.
        With `descriptions`, generators also read what BIRD's CSV files beside a database say
        about its columns.
        """
        self._settings = replace(settings, members=replace(settings.members, recall=False))
        self._descriptions = descriptions

    @contextmanager
    def open(self, database: str) -> Iterator[Asks]:
        """Connect to the database, and close it afterwards."""
        comments = descriptions_beside(database) if self._descriptions else {}
        if not comments:
            with connect(database, settings=self._settings) as connection:
                yield connection
            return
        opened = DescribedDatabase(
            open_guarded(database, settings=self._settings), partial(commented, comments=comments)
        )
        with Connection(opened, settings=self._settings) as connection:
            yield connection
