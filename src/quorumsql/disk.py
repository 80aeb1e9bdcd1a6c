"""Files of ours: written whole or not at all, and added to by several processes at once.

What is not covered: network file systems on which locks do not hold.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from quorumsql.errors import UsageError

__all__ = ["append", "encodable", "locked", "private", "write_atomically"]

_LOCK_SECONDS: Final = 10.0


def encodable(text: str) -> str:
    """Return `text` without what UTF-8 cannot hold, which hostile values may contain."""
    return text.encode("utf-8", "replace").decode("utf-8")


def private(name: str, flags: int) -> int:
    """An `opener` for `open`: what it makes can never be read by others, not even for a moment."""
    return os.open(name, flags, 0o600)


def write_atomically(path: Path, text: Iterable[str], *, mode: int = 0o666) -> None:
    """Write `text` to `path` so that a reader sees the old file or the new one, whole.

    The new file has `mode`, less what the user's umask takes: files of ours that hold what people
    asked or what is stored are written with 0600, those that users name as their other files are.

    Raises:
        UsageError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")

    def made(name: str, flags: int) -> int:
        return os.open(name, flags, mode)

    try:
        with open(partial, "w", encoding="utf-8", newline="\n", opener=made) as file:
            file.writelines(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def append(path: Path, lines: bytes, *, mode: int = 0o600) -> None:
    """Write whole `lines` behind those of a file, which is made with `mode` where there is none.

    A line that a process left unfinished when it died does not swallow the first of them. Whoever
    shares the file holds the lock meanwhile. A file that is there keeps the mode that it has.

    Raises:
        OSError: it cannot be written.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode)
    try:
        if os.lseek(file, 0, os.SEEK_END):
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":
                lines = b"\n" + lines
        while lines:
            lines = lines[os.write(file, lines) :]
    finally:
        os.close(file)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other threads and processes that lock `path` waiting until the block ends.

    The lock is a file beside it; it ends with the process that holds it.

    Raises:
        OSError: the lock cannot be made.
    """
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(lock)
        yield
    finally:
        os.close(lock)  # also unlocks


def _lock(file: int) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        return
    import msvcrt  # pragma: no cover

    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
