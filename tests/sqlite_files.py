"""Make SQLite files for tests, and tell whether a folder has changed."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT COUNT(*) FROM r"


def make(path: Path, script: str) -> Path:
    """Run `script` on a new database at `path`."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # a test's file need not survive a crash
        connection.executescript(script)
    return path


def fingerprint(folder: Path) -> dict[str, str]:
    """Return every file in `folder` with a hash of its bytes.

    A WAL's `-shm` file is memory that processes share, not data: only its presence counts.
    """
    return {
        str(path.relative_to(folder)): (
            "shared memory"
            if path.name.endswith("-shm")
            else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Fail when a file in `folder` appeared, vanished or changed meanwhile."""
    before = fingerprint(folder)
    yield
    assert fingerprint(folder) == before


@contextmanager
def other_process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run Python `code` beside the test, from when it prints its first line until the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line and process.stderr is not None:
            raise AssertionError(f"The other process failed: {process.stderr.read()}")
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
