"""Settings come from files, variables and overrides, and mistakes are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quorumsql.config import EFFORTS, Settings, database_home, load_settings
from quorumsql.domain import Limits
from quorumsql.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def env(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), **more}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings(environ=env(tmp_path))
    assert settings.named == ("embedded",)
    assert settings.limits == Limits()
    assert settings.home.is_relative_to(tmp_path)
    assert settings == Settings(home=settings.home)


def test_later_sources_win(tmp_path: Path) -> None:
    write(
        tmp_path / "cfg" / "quorumsql" / "config.toml",
        "max_columns = 10\nthreshold = 0.1\nseconds = 1",
    )
    write(tmp_path / "quorum.toml", "threshold = 0.2\nseconds = 2\n[limits]\nrows = 7")
    environ = env(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "cfg"), QUORUM_SECONDS="3")
    settings = load_settings(environ=environ, overrides={"hypotheses": 2, "effort": None})
    assert settings.threshold == 0.2
    assert settings.seconds == 3.0
    assert settings.hypotheses == 2
    assert settings.limits == Limits(rows=7)
    if sys.platform == "linux":
        assert settings.max_columns == 10


def test_a_named_file_replaces_the_others(tmp_path: Path) -> None:
    write(tmp_path / "quorum.toml", "threshold = 0.2\nmax_columns = 9")
    named = write(tmp_path / "other.toml", "threshold = 0.3")
    for settings in (
        load_settings(named, environ=env(tmp_path)),
        load_settings(environ=env(tmp_path, QUORUM_CONFIG=str(named))),
    ):
        assert (settings.threshold, settings.max_columns) == (0.3, 120)


def test_variables_reach_every_setting(tmp_path: Path) -> None:
    settings = load_settings(
        environ=env(
            tmp_path,
            QUORUM_EFFORT="low",
            QUORUM_GENERATORS="embedded/columns, embedded/joins",
            QUORUM_LIMITS_SECONDS="1.5",
            QUORUM_HOME=str(tmp_path / "mine"),
            QUORUM_DATA="~/data",
            QUORUM_MAX_COLUMNS="",
        )
    )
    assert settings.effort == "low"
    assert settings.generators == ("embedded/columns", "embedded/joins")
    assert settings.limits.seconds == 1.5
    assert settings.home == tmp_path / "mine"
    assert settings.data == Path("~/data").expanduser()
    assert settings.max_columns == 120


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_the_dial_moves_the_rest_unless_it_is_set_by_name(tmp_path: Path, effort: str) -> None:
    settings = load_settings(environ=env(tmp_path), overrides={"effort": effort})
    expected = EFFORTS[settings.effort]
    assert settings.hypotheses == expected["hypotheses"]
    assert settings.seconds == expected["seconds"]
    assert settings.limits.seconds == expected["limits"]["seconds"]
    named = {"effort": effort, "hypotheses": 1, "limits": {"rows": 5}}
    settings = load_settings(environ=env(tmp_path), overrides=named)
    assert settings.hypotheses == 1
    assert settings.limits == Limits(seconds=expected["limits"]["seconds"], rows=5)


def test_more_effort_never_means_less_of_anything() -> None:
    low, medium, high = EFFORTS["low"], EFFORTS["medium"], EFFORTS["high"]
    for name in ("hypotheses", "seconds"):
        assert low[name] <= medium[name] <= high[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("treshold = 1", r"Unknown key 'treshold' in .*quorum\.toml\. Did you mean 'threshold'\?"),
        ("[limits]\nsecond = 1", r"Unknown key 'limits\.second' .*Did you mean 'seconds'\?"),
        ("zzz = 1", r"Unknown key 'zzz' in .*quorum\.toml\. Known: audit, data, effort"),
        ("max_columns = 'many'", r"max_columns in .*quorum\.toml: .*integer.*'many'"),
        ("limits = 3", r"limits in .*quorum\.toml: "),
        ("effort = 'huge'", r"effort in .*quorum\.toml must be low, medium or high, not 'huge'"),
        ("effort = [1]", r"effort in .*quorum\.toml must be low, medium or high"),
        ("threshold = 2.0", r"quorum\.toml: threshold must be between 0 and 1, not 2\.0"),
        ("[limits]\nseconds = 0", r"limits\.seconds must be greater than 0"),
        ("generators = []", r"generators must name at least one"),
        ("generators = 'embedded'", r"generators in .*quorum\.toml: "),
        ("a = = b", r"quorum\.toml cannot be read as TOML"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "quorum.toml", text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(environ=env(tmp_path))
    assert "\n" not in str(caught.value)


def test_mistakes_in_variables_and_overrides_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_columns in QUORUM_MAX_COLUMNS: .*'x'"):
        load_settings(environ=env(tmp_path, QUORUM_MAX_COLUMNS="x"))
    with pytest.raises(ConfigError, match=r"QUORUM_EFORT\. Did you mean QUORUM_EFFORT"):
        load_settings(environ=env(tmp_path, QUORUM_EFORT="low"))
    with pytest.raises(ConfigError, match="Unknown key 'colour' in the call"):
        load_settings(environ=env(tmp_path), overrides={"colour": "x"})


def test_variables_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    load_settings(environ=env(tmp_path, QUORUM_BLOCKCHAIN_PORT="1", QUORUM_="2"))


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration file .*gone\.toml"):
        load_settings(tmp_path / "gone.toml", environ=env(tmp_path))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml cannot be read"):
        load_settings(tmp_path / "binary.toml", environ=env(tmp_path))


def test_a_database_has_one_folder_however_it_is_written(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    file = tmp_path / "my shop.db"
    homes = {
        database_home(settings, str(file)),
        database_home(settings, "my shop.db"),
        database_home(settings, f"sqlite:///{file}"),
        database_home(settings, f"sqlite+pysqlite:///{file}?mode=ro"),
    }
    assert len(homes) == 1
    (home,) = homes
    assert home.parent == tmp_path / "home" / "databases"
    assert home.name.startswith("my-20shop-") or home.name.startswith("my-shop-")


def test_the_password_does_not_name_the_folder(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    same = {
        database_home(settings, f"postgresql{driver}://ann{password}@host:5432/sales?{query}")
        for driver in ("", "+psycopg")
        for password in ("", ":secret", ":other")
        for query in ("", "password=hush", "sslkey=abc")
    }
    assert len(same) == 1
    assert database_home(settings, "postgresql://bob@host:5432/sales") not in same
    assert database_home(settings, "postgresql://ann@host:5432/stock") not in same


def test_settings_load_without_heavy_imports() -> None:
    code = (
        "import sys, quorumsql.config as c; c.load_settings(environ={'HOME': '/nowhere'});"
        "print([m for m in ('pydantic', 'sqlalchemy', 'sqlglot', 'numpy', 'onnxruntime') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
