"""What people install: the wheel, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
SOURCES = REPOSITORY / "src"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built by the build backend itself."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (SOURCES / "quorumsql").rglob("*") if path.is_file())
    expected = {
        path.relative_to(SOURCES).as_posix() for path in files if "__pycache__" not in path.parts
    }
    assert names == expected
    assert "quorumsql/py.typed" in names
    assert any(name.startswith("quorumsql/neural/weights/") for name in names)


def test_the_wheel_is_small_enough(wheel: Path) -> None:
    assert wheel.stat().st_size <= 80 * MEGABYTE


def test_the_wheel_carries_its_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            Path(name).name: archive.read(name).decode()
            for name in archive.namelist()
            if ".dist-info/" in name
        }
    metadata = message_from_string(texts["METADATA"])
    assert metadata["License-Expression"] == "Apache-2.0 AND CC-BY-SA-4.0"
    assert "Apache License" in texts["LICENSE"]
    assert "CC BY-SA 4.0" in texts["NOTICE"] and "MiniLM" in texts["NOTICE"]


def test_the_wheel_runs_the_demo_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed alone into a folder, with the network shut by a proxy that does not exist."""
    installed = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(installed), str(wheel)], check=True)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "QUORUM_DATA"},
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"),
        "PYTHONPATH": str(installed),
        "QUORUM_HOME": str(tmp_path / "home"),
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    place = run("-c", "import quorumsql; print(quorumsql.__file__)").strip()
    assert Path(place).is_relative_to(installed)
    assert "SELECT" in run("-m", "quorumsql", "demo")
