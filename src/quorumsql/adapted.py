"""Where members live that were adapted to one database, and whether they still are of use.

They stem from the weights of the package; when those change, they are older than what everybody
has, and are left alone until `quorum adapt` is run again.

What is not covered: adapting them (`train.adapt`), and loading them (`shipped`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from quorumsql.shipped import FOLDER

__all__ = ["ADAPTED", "CHECKPOINT", "adapted_members", "fingerprint", "forget_adapted"]

ADAPTED = "members"
"""Name of their folder in a database's folder."""

CHECKPOINT = "adapting.pt"
"""What an interrupted adaptation has learned, beside it."""


def fingerprint(folder: Path = FOLDER) -> str:
    """Return what tells one training's weights from another's: its manifest holds some of them.

    Raises:
        OSError: there is no manifest.
    """
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:16]


def adapted_members(home: Path) -> Path | None:
    """Return the folder of members adapted to the database that `home` is about.

    None where there are none, or where they stem from other weights than the package carries.
    """
    folder = home / ADAPTED
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        fits = manifest["adapted"]["base"] == fingerprint()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if fits else None


def forget_adapted(home: Path) -> bool:
    """Delete adapted members, and what an interrupted adaptation left; say whether there were."""
    had = (home / ADAPTED).is_dir() or (home / CHECKPOINT).is_file()
    for name in (ADAPTED, f"{ADAPTED}.part"):
        shutil.rmtree(home / name, ignore_errors=True)
    for path in (home / CHECKPOINT, (home / CHECKPOINT).with_suffix(".part")):
        path.unlink(missing_ok=True)
    return had
