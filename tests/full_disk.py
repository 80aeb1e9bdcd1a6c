"""Index a database where there is little room, then where there is more; print what happened.

    python tests/full_disk.py DATABASE FOLDER KILOBYTES mount|limit

With `mount`, a tmpfs of so much is mounted at FOLDER, which needs a mount namespace of
one's own (`unshare --mount`); with `limit`, no file may grow longer. What is printed is JSON.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from quorumsql.db import open_database
from quorumsql.errors import UsageError
from quorumsql.survey import open_index, survey

VALUES = 12_000


def main(path: Path, home: Path, kilobytes: int, way: str) -> None:
    """Index one value with room, many without, and again with room."""
    room(home, 65_536, way)
    surveyed(path, home)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE b (x TEXT)")
        texts = (
            (f"Word{n} of the many things that take up room on a disk {n}",) for n in range(VALUES)
        )
        connection.executemany("INSERT INTO b VALUES (?)", texts)
        connection.commit()
    said, kept, whole = [], [], []
    for filled in (False, True):
        room(home, kilobytes, way)
        with suppress(OSError), (home / "filled").open("wb") as file:
            for _ in range(1_000 if filled else 0):
                file.write(bytes(2_000))
                file.flush()
        try:
            surveyed(path, home)
        except UsageError as error:
            said.append(str(error))
            kept.append(best(path, home, "Lisbon"))
        (home / "filled").unlink()
        room(home, 65_536, way)
        whole.append(integrity(home))
    read = [surveyed(path, home), surveyed(path, home)]
    whole.append(integrity(home))
    found = [best(path, home, words) for words in ("in Lisbon", "Word77 of the many things")]
    sys.stdout.write(
        json.dumps({"said": said, "kept": kept, "whole": whole, "read": read, "found": found})
    )


def room(home: Path, kilobytes: int, way: str) -> None:
    """Give so much room from now on."""
    if way == "limit":
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 2**10 // 3, most))
        return
    again = "remount," if home.is_mount() else ""
    words = ["mount", "-t", "tmpfs", "-o", f"{again}size={kilobytes}k", "tmpfs", str(home)]
    subprocess.run(words, check=True)


def surveyed(path: Path, home: Path) -> list[str]:
    with closing(open_database(str(path))) as database:
        return list(survey(database, home / "index").read)


def best(path: Path, home: Path, words: str) -> str:
    with closing(open_database(str(path))) as database:
        index = open_index(home / "index", database.schema())
    assert index is not None
    with closing(index):
        hits = index.mentions(words)
    return str(hits[0].value) if hits else ""


def integrity(home: Path) -> str:
    with closing(sqlite3.connect(home / "index" / "known.sqlite")) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
