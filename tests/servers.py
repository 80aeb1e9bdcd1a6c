"""Real database servers for tests: each starts once per session, when a test first asks for it.

PostgreSQL comes from the package `pgserver` (of the extra `dev`), MariaDB from Debian's package
`mariadb-server`, which is installed here when tests run as root. Both listen on this machine only,
keep nothing, and write nothing to disk before they have to.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from urllib.parse import quote

import psycopg
import pymysql
from psycopg import sql as psql

PASSWORD = "s3cret/p@ss:w#rd?100%25 ü"  # one with every character that spoils a URL
INSTALL = "apt-get install --yes --no-install-recommends mariadb-server"
INSTALL_FIREBIRD = (
    "apt-get install --yes --no-install-recommends firebird3.0-server-core libfbclient2"
)
INSTALL_FIREBIRD_DRIVER = (
    "pip install --no-deps sqlalchemy-firebird firebird-driver firebird-base python-dateutil six"
)
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server, its owner's account, and how to reach it."""

    scheme: str
    port: int
    user: str
    process: subprocess.Popen[bytes]

    def url(self, database: str, *, user: str | None = None, password: str = PASSWORD) -> str:
        """The URL of a database, for the server's owner unless another user is named."""
        who = f"{user or self.user}:{quote(password, safe='')}"
        return f"{self.scheme}://{who}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgresql() -> Iterator[Server]:
    """Run a PostgreSQL 16 whose users need a password."""
    with _folder("pg") as folder:
        programs = _readable(_package("pgserver") / "pginstall", folder) / "bin"
        secret = folder / "secret"
        secret.write_text(PASSWORD, encoding="utf-8")
        _give(folder)
        data = folder / "data"
        _run(
            [
                *(programs / "initdb", "-D", data, "-U", "owner", "--pwfile", secret),
                *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"),
                *("--no-sync", "--no-instructions"),
            ]
        )
        port = _free_port()
        options: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "64MB",
            "max_connections": 40,
            "jit": "off",
        }
        settings = [word for k, v in options.items() for word in ("-c", f"{k}={v}")]
        command: list[str | Path] = [programs / "postgres", "-D", data, *settings]
        with _started(command, folder / "log", signal.SIGINT) as process:
            server = Server(scheme="postgresql", port=port, user="owner", process=process)
            _wait(server, folder / "log", lambda: postgresql_owner(server, "postgres").close())
            yield server


@contextmanager
def mariadb() -> Iterator[Server]:
    """Run a MariaDB whose owner needs a password."""
    _have_mariadb()
    with _folder("my") as folder:
        data = folder / "data"
        data.mkdir()
        _give(folder)
        _run(
            [
                *("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"),
                *("--auth-root-authentication-method=normal", f"--user={_account()}"),
            ]
        )
        hashed = sha1(sha1(PASSWORD.encode()).digest()).hexdigest().upper()
        start = folder / "start.sql"
        start.write_text(
            f"CREATE USER owner@'%' IDENTIFIED BY PASSWORD '*{hashed}';\n"
            "GRANT ALL PRIVILEGES ON *.* TO owner@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )
        _give(folder)
        port = _free_port()
        command: list[str | Path] = [
            *("mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}"),
            *("--bind-address=127.0.0.1", f"--socket={folder / 'socket'}"),
            *(f"--pid-file={folder / 'pid'}", f"--init-file={start}", "--skip-name-resolve"),
            *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"),
            *("--innodb-buffer-pool-size=64M", "--max-connections=40", "--skip-log-bin"),
            f"--secure-file-priv={folder}",
        ]
        with _started(command, folder / "log", signal.SIGTERM) as process:
            server = Server(scheme="mariadb", port=port, user="owner", process=process)
            _wait(server, folder / "log", lambda: mariadb_owner(server).close())
            yield server


def postgresql_owner(server: Server, database: str) -> psycopg.Connection:
    """A connection of the server's owner that may do anything, each statement for itself."""
    return psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user=server.user,
        password=PASSWORD,
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def mariadb_owner(server: Server, database: str | None = None) -> pymysql.Connection:
    """The same on MariaDB; several statements in one text are allowed."""
    return pymysql.connect(
        host="127.0.0.1",
        port=server.port,
        user=server.user,
        password=PASSWORD.encode(),
        database=database,
        autocommit=True,
        charset="utf8mb4",
        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
    )


def make_postgresql(server: Server, name: str, script: str) -> str:
    """Make the database `name` anew from `script`; return its URL."""
    with closing(postgresql_owner(server, "postgres")) as connection:
        identifier = psql.Identifier(name)
        drop = psql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier)
        connection.execute(drop)
        connection.execute(psql.SQL("CREATE DATABASE {}").format(identifier))
    with closing(postgresql_owner(server, name)) as connection:
        connection.execute(script.encode())
    return server.url(name)


def make_mariadb(server: Server, name: str, script: str, *, ansi: bool = True) -> str:
    """Make the database `name` anew from `script`; return its URL.

    With `ansi`, double quotes in the script stand around names, as in the standard.
    """
    with closing(mariadb_owner(server)) as connection, connection.cursor() as cursor:
        run_mariadb(cursor, f"DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}`")
        run_mariadb(cursor, f"USE `{name}`")
        if ansi:
            run_mariadb(cursor, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
        run_mariadb(cursor, script)
    return server.url(name)


def run_mariadb(cursor: pymysql.cursors.Cursor, script: str) -> None:
    """Run all statements of `script`, and raise what goes wrong in any of them."""
    cursor.execute(script)
    while cursor.nextset():
        pass


def _have_mariadb() -> None:
    if not shutil.which("mariadbd"):
        _install(INSTALL)


def _install(command: str) -> None:
    """Install a package of Debian.

    Raises:
        RuntimeError: only root could; says how.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError(f"These tests need a server that is not there. Run: sudo {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for one in ("apt-get update", f"{command} -o DPkg::Lock::Timeout=300"):
        subprocess.run(one.split(), check=True, env=environment, stdout=subprocess.DEVNULL)


def _account() -> str:
    """Servers refuse to run as root; then they run as nobody."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"quorum-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give(folder: Path) -> None:
    """Give a folder with all it holds to the account that the server runs as."""
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_account())
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def _package(name: str) -> Path:
    """Where a package lies; importing it would start things of its own."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise RuntimeError(f"These tests need {name}. Run: pip install -e '.[dev]'")
    return Path(found.origin).parent


def _readable(programs: Path, folder: Path) -> Path:
    """The programs, copied where the server's account cannot enter the folders above them."""
    closed = any(not parent.stat().st_mode & 0o001 for parent in programs.parents)
    if os.geteuid() != 0 or not closed:
        return programs
    return Path(shutil.copytree(programs, folder / "programs", symlinks=True))


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        user=_account() if os.geteuid() == 0 else None,
        cwd="/",
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-500:]} {done.stderr[-1500:]}")


@contextmanager
def _started(
    command: Sequence[str | Path], log: Path, stop: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(word) for word in command],
            user=_account() if os.geteuid() == 0 else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(stop)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Server, log: Path, attempt: Callable[[], None]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            attempt()
            return
        except (psycopg.OperationalError, pymysql.err.OperationalError) as error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                words = " ".join(log.read_text(encoding="utf-8", errors="replace").split())
                words = words[-1500:]
                raise RuntimeError(
                    f"The server does not answer: {error}. Its log: {words}"
                ) from error
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(0.1)


def make_firebird(path: Path, script: str) -> str:
    """Make a Firebird database in a file, with the engine inside this process; return its URL.

    Raises:
        RuntimeError: Firebird is not there; says how to install it.
    """
    if importlib.util.find_spec("sqlalchemy_firebird") is None:
        raise RuntimeError(f"These tests need Firebird's driver. Run: {INSTALL_FIREBIRD_DRIVER}")
    if not list(Path("/usr/lib").glob("*/firebird/*/plugins/libEngine*.so")):
        _install(INSTALL_FIREBIRD)
    from firebird.driver import create_database

    with closing(create_database(str(path), user="SYSDBA", charset="UTF8")) as connection:
        for statement in script.split(";"):
            connection.execute_immediate(statement)
            connection.commit()
    return f"firebird+firebird://SYSDBA@/{path}?charset=UTF8"
