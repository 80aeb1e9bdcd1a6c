"""Runs the command `quorum` as a real process, and checks what every run must keep to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

Finished = subprocess.CompletedProcess[str]


def quorum(
    *arguments: str | Path,
    script: Mapping[str, Sequence[str]] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    seconds: float = 120.0,
) -> Finished:
    """Run `quorum`, with scripted generators where `script` names their SQL."""
    return subprocess.run(
        [*command(script, cwd or Path(os.environ["QUORUM_HOME"])), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **(env or {})},
        check=False,
    )


def command(script: Mapping[str, Sequence[str]] | None, folder: Path) -> list[str]:
    """The beginning of a command line that runs `quorum`."""
    if script is None:
        return [sys.executable, "-m", "quorumsql"]
    file = folder / "script.json"
    file.write_text(json.dumps(script), encoding="utf-8")
    return [sys.executable, str(HERE / "scripted_quorum.py"), str(file)]


def complaint(finished: Finished, code: int) -> str:
    """The one line on stderr of a run that must have failed with `code`."""
    assert finished.returncode == code, finished
    assert finished.stdout == "", finished
    lines = finished.stderr.splitlines()
    assert len(lines) == 1, finished
    assert lines[0].startswith("quorum: "), finished
    assert "Traceback" not in finished.stderr
    return lines[0]


def parsed(finished: Finished, code: int = 0) -> dict[str, Any]:
    """The JSON object on stdout of a run that ended with `code`."""
    assert finished.returncode == code, finished
    found = json.loads(finished.stdout)
    assert isinstance(found, dict)
    return found
