"""The command `quorum` with scripted generators instead of the embedded ones.

    python scripted_quorum.py SCRIPT.json ask --db shop.sqlite "…"

SCRIPT.json maps names of generators to the SQL that each proposes for every question; one named
"crash" fails as no generator should. Everything but the generators is the real thing; it stands
in a file so that tests run it as a process.
"""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

from quorumsql.cli.main import main

if TYPE_CHECKING:
    from quorumsql.ports import Generator


def install(script: dict[str, list[str]]) -> None:
    """Put a module in the place of `quorumsql.neural.members`."""

    def load_members(*_: object, **__: object) -> tuple[Generator, ...]:
        from scripted import Scripted

        if "crash" in script:
            raise RuntimeError("this generator\nis out of order")
        return tuple(Scripted(name, *sqls) for name, sqls in script.items())

    members = types.ModuleType("quorumsql.neural.members")
    members.load_members = load_members  # type: ignore[attr-defined]
    members.WEIGHTS = Path("no weights")  # type: ignore[attr-defined]
    sys.modules["quorumsql.neural.members"] = members


def announce(event: str, arguments: tuple[object, ...]) -> None:
    """Say when `main` has begun to import commands, and so looks after Ctrl-C."""
    if event == "import" and arguments[0] == "quorumsql.cli.app":
        sys.stderr.write("ready\n")
        sys.stderr.flush()


if __name__ == "__main__":
    install(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    # What is scripted is voted on as it is: reading is for those who write by themselves.
    os.environ.setdefault("QUORUM_MEMBERS_SELECTOR", "vote")
    os.environ.setdefault("QUORUM_MEMBERS_REFUSE", "false")
    if "SAY_READY" in os.environ:
        sys.addaudithook(announce)
    sys.exit(main(sys.argv[2:]))
