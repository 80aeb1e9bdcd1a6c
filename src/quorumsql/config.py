"""Settings: the one place that reads configuration files and the environment.

Sources, later ones win: the effort dial, the user's `config.toml`, `quorum.toml` in the
working directory (or, instead of both, the file that the caller or QUORUM_CONFIG names),
variables QUORUM_*, overrides of the caller. A key that does not exist is refused.

    effort = "high"
    generators = ["embedded"]
    [limits]
    seconds = 5

As variables: QUORUM_EFFORT=high, QUORUM_GENERATORS=embedded, QUORUM_LIMITS_SECONDS=5.

    model = "local"
    [endpoints.local]
    base_url = "http://localhost:8000/v1"
    model = "Qwen/Qwen2.5-Coder-7B-Instruct"

OPENAI_BASE_URL and OPENAI_API_KEY say where models are that no endpoint names.

What is not covered: secrets. A database URL with its password is never stored, keys are read from
the environment when a model is built.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from quorumsql.domain import Limits
from quorumsql.errors import ConfigError
from quorumsql.llm.settings import EndpointSettings, LlmSettings
from quorumsql.permissions import Names, Permissions
from quorumsql.tokens import Token, WebSettings
from quorumsql.trace import TelemetrySettings
from quorumsql.urls import read_url

__all__ = [
    "EFFORTS",
    "AuditSettings",
    "Effort",
    "MemberSettings",
    "Settings",
    "database_home",
    "load_settings",
    "variables",
    "without_ray_telemetry",
]

Effort: TypeAlias = Literal["low", "medium", "high"]

EFFORTS: Mapping[Effort, Mapping[str, Any]] = {
    "low": {
        "hypotheses": 4,
        "seconds": 10.0,
        "limits": {"seconds": 5.0},
        "members": {"cascade": 0.0, "selector": "signs"},
        "llm": {"cascade": 0.7, "selector": "vote", "deadline": 45.0},
    },
    "medium": {
        "hypotheses": 8,
        "seconds": 30.0,
        "limits": {"seconds": 10.0},
        "llm": {"cascade": 0.85, "selector": "llm", "deadline": 120.0},
    },
    "high": {
        "hypotheses": 16,
        "seconds": 90.0,
        "limits": {"seconds": 30.0},
        "llm": {"cascade": 0.0, "selector": "llm", "linking": "model", "deadline": 600.0},
    },
}
"""What one turn of the dial sets; any of it can still be set by name."""

_AUTO: Mapping[Effort, tuple[str, ...]] = {
    "low": ("direct",),
    "medium": ("direct", "divide", "standard"),
    "high": ("direct", "divide", "plan", "standard", "icl", "explore"),
}
"""The prompted generators of `generators = ["auto"]`, when a model is set."""

_PREFIX = "QUORUM_"
_PROTECTING = ("QUORUM_PERM", "QUORUM_AUDIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """How statements are recorded.

    Where `enabled` is not set, a home that cannot be written is done without; where it is true,
    nothing runs then. `values` keeps the values; a log of `bytes` is put aside, of which the
    last `files` are kept.
    """

    enabled: bool | None = None
    values: bool = False
    bytes: int = 16 * 1024 * 1024
    files: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSettings:
    """How the embedded generators take part.

    A `cascade` asks one after another: with "auto" by thresholds fitted on databases held out, with
    a number where confidence is below that, which 0 never is. "off" asks all at once, and so does
    `max_error`. The `selector` "trained" reads what they wrote, "signs" only looks for signs of
    mistakes, "vote" counts. With `refuse`, questions that a database knows nothing about are not
    answered. `adapted` uses what `quorum adapt` made, `recall` SQL approved for the same question.
    """

    cascade: Literal["auto", "off"] | float = "off"
    selector: Literal["trained", "signs", "vote"] = "trained"
    refuse: bool = True
    adapted: bool = True
    recall: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if not isinstance(self.cascade, str) and not 0 <= self.cascade <= 1:
            raise ConfigError(f"members.cascade must be between 0 and 1, not {self.cascade!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set.

    `generators` "auto" are the embedded ones, with a `model` also prompted ones that suit the
    effort. `model` is the name of an endpoint, or of a model at OPENAI_BASE_URL; `private` keeps
    every value of the data on this machine. `llm` says how models take part, `prices` what their
    tokens cost. `hypotheses` of each embedded generator (the width of its beam; twice as many of
    the one that is asked first) run within `seconds`, each within `limits`. `max_columns` of a
    schema are shown to generators, `max_question` characters of a question are read. Answers below
    the confidence `threshold` are abstentions; `max_error`, a share of the answers that may be
    wrong, puts the threshold where held-out questions show that it is kept. `permissions` say what
    may be read, `functions` are those of the database that only compute, beyond what we know,
    `members` says how embedded generators take part, `trust` what a generator's vote counts beside
    1. `audit` is how statements are recorded and `who` on whose behalf, `web` what a server allows.
    `unread` are patterns of `table.column` that are neither profiled nor indexed. `home` is where
    we keep what is the user's, `data` where benchmark data lies.
    """

    effort: Effort = "medium"
    generators: tuple[str, ...] = ("auto",)
    model: str | None = None
    private: bool = False
    hypotheses: int = 8
    seconds: float = 30.0
    limits: Limits = field(default_factory=Limits)
    max_columns: int = 120
    max_question: int = 1_000
    threshold: float = 0.25
    max_error: float | None = None
    permissions: Permissions = field(default_factory=Permissions)
    unread: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    audit: AuditSettings = field(default_factory=AuditSettings)
    members: MemberSettings = field(default_factory=MemberSettings)
    trust: Mapping[str, float] = field(default_factory=dict)
    llm: LlmSettings = field(default_factory=LlmSettings)
    endpoints: Mapping[str, EndpointSettings] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    web: WebSettings = field(default_factory=WebSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    who: str = field(default_factory=lambda: _user(os.environ))  # noqa: TID251
    home: Path = field(default_factory=lambda: _default_home(os.environ))  # noqa: TID251
    data: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        limits = {f"limits.{f.name}": getattr(self.limits, f.name) for f in fields(Limits)}
        names = ("hypotheses", "seconds", "max_columns", "max_question")
        for name, value in {**{n: getattr(self, n) for n in names}, **limits}.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise ConfigError(f"{name} must be greater than 0, not {value!r}.")
        if self.audit.bytes <= 0 or self.audit.files < 0:
            raise ConfigError("audit.bytes and audit.files must not be negative.")
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold must be between 0 and 1, not {self.threshold!r}.")
        if self.max_error is not None and not 0 < self.max_error < 1:
            raise ConfigError(f"max_error must be between 0 and 1, not {self.max_error!r}.")
        if any(not 0 <= weight < float("inf") for weight in self.trust.values()):
            raise ConfigError("trust must hold numbers that are not negative, by generator.")
        if not self.generators:
            raise ConfigError("generators must name at least one generator, e.g. 'embedded'.")

    @property
    def named(self) -> tuple[str, ...]:
        """The generators that take part, "auto" spelt out."""
        auto = ("embedded", *(_AUTO[self.effort] if self.model else ()))
        names = (n for name in self.generators for n in (auto if name == "auto" else (name,)))
        return tuple(dict.fromkeys(names))

    @property
    def cascade(self) -> float:
        """The confidence from which models are not asked; 0 where generators were named."""
        return self.llm.cascade if "auto" in self.generators else 0.0


def variables() -> Mapping[str, str]:
    """Return the variables of the environment, for keys that are read when they are needed."""
    return os.environ  # noqa: TID251


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where settings were read, for messages, and what they were."""

    name: str
    values: Mapping[str, Any]


def load_settings(
    path: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,  # noqa: TID251
) -> Settings:
    """Read all sources and return the settings.

    Args:
        path: read this file instead of the user's and the working directory's.
        overrides: win over everything; nested like the file; a value of None is left out.
        environ: variables, the process's own by default.

    Raises:
        ConfigError: a file is missing or not TOML, a key is unknown, a value has the wrong
            type. The text names source, key and what was expected.
    """
    sources = [*_files(path, environ), *_variables(environ)]
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if given:
        sources.append(_Source(name="the call", values=given))
    for source in sources:
        _refuse_unknown(source, source.values, Settings)
    effort = _effort(sources)
    base: dict[str, Any] = {
        "effort": effort,
        "home": _default_home(environ),
        "who": _user(environ),
    }
    _merge(base, EFFORTS[effort])
    if not sources:
        inner = {"limits": Limits(**base["limits"]), "llm": LlmSettings(**base["llm"])}
        return Settings(**{**base, **inner})
    for source in sources:
        _validated({**base, **_merged(base, source.values)}, source)
        _merge(base, source.values)
    return _validated(base, sources[-1])


def database_home(settings: Settings, url: str) -> Path:
    """Return the folder for what we keep about one database; it may not exist yet.

    It is named after the database and a hash of its URL without password; a file gets the
    same folder whether it is given as a path or as a URL.
    """
    address = _without_secrets(url)
    stem = re.sub(r"\W+", "-", Path(urlsplit(address).path).stem).strip("-") or "database"
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    return settings.home / "databases" / f"{stem[:40]}-{digest}"


def without_ray_telemetry(environ: MutableMapping[str, str] = os.environ) -> None:  # noqa: TID251
    """Tell Ray, which only listens to the environment, to report nothing about its use."""
    environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _without_secrets(url: str) -> str:
    engine = url.partition("://")[0].partition("+")[0].lower()
    if "://" not in url or engine in {"sqlite", "duckdb"}:
        name = url.partition(":///")[2].partition("?")[0] if "://" in url else url
        return Path(name).expanduser().resolve().as_uri()
    return str(read_url(url))


def _files(path: Path | str | None, environ: Mapping[str, str]) -> Iterator[_Source]:
    named = path or environ.get("QUORUM_CONFIG")
    if named:
        file = Path(named).expanduser()
        if not file.is_file():
            raise ConfigError(f"There is no configuration file {str(file)!r}.")
        yield _read(file)
        return
    for file in (_user_folder(environ, "config") / "config.toml", Path("quorum.toml")):
        if file.is_file():
            yield _read(file)


def _read(file: Path) -> _Source:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}.") from error
    return _Source(name=str(file), values=values)


def _variables(environ: Mapping[str, str]) -> Iterator[_Source]:
    """One source per variable, so that a message can name it."""
    known = {_PREFIX + "_".join(path).upper(): path for path in _paths(Settings)}
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or name == "QUORUM_CONFIG" or not environ[name]:
            continue
        if name in known:
            yield _Source(name=name, values=_nested(known[name], environ[name]))
        elif close := get_close_matches(name, known, n=1, cutoff=0.85):
            raise ConfigError(f"Unknown variable {name}. Did you mean {close[0]}?")
        elif name.startswith(_PROTECTING):  # a slip here would protect nothing
            raise ConfigError(f"Unknown variable {name}: set this in the configuration file.")


def _paths(kind: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for one in fields(kind):
        inner = _inner(kind, one.name)
        if inner is not None:
            yield from _paths(inner, (*before, one.name))
        elif not str(one.type).startswith("Mapping"):
            yield (*before, one.name)


def _inner(kind: Any, name: str) -> Any:
    """The dataclass that a field holds, or None."""
    inner: Mapping[str, Any] = {}
    if kind is Settings:
        inner = {
            "limits": Limits,
            "audit": AuditSettings,
            "permissions": Permissions,
            "llm": LlmSettings,
            "members": MemberSettings,
            "web": WebSettings,
            "telemetry": TelemetrySettings,
        }
    elif kind is Token:
        inner = {"permissions": Permissions}
    elif kind is Permissions:
        inner = {"allow": Names, "deny": Names}
    return inner.get(name)


def _nested(path: tuple[str, ...], text: str) -> dict[str, Any]:
    value: Any = text
    if path[0] == "permissions" or path in {("generators",), ("functions",), ("unread",)}:
        value = [name.strip() for name in text.split(",") if name.strip()]
    for name in reversed(path):
        value = {name: value}
    return dict(value)


def _refuse_unknown(
    source: _Source, values: Mapping[str, Any], kind: Any, prefix: str = ""
) -> None:
    known = [one.name for one in fields(kind)]
    for key, value in values.items():
        if kind is Settings and key == "endpoints" and isinstance(value, Mapping):
            for name, section in value.items():
                if isinstance(section, Mapping):
                    _refuse_unknown(source, section, EndpointSettings, f"endpoints.{name}.")
        if kind is WebSettings and key == "tokens" and isinstance(value, Mapping):
            for name, section in value.items():
                if isinstance(section, Mapping):
                    _refuse_unknown(source, section, Token, f"web.tokens.{name}.")
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"Unknown key {prefix + key!r} in {source.name}.{hint} "
                f"Known: {', '.join(sorted(known))}."
            )
        inner = _inner(kind, key)
        if inner is not None and isinstance(value, Mapping):
            _refuse_unknown(source, value, inner, f"{prefix}{key}.")


def _effort(sources: list[_Source]) -> Effort:
    named = [(s.name, s.values["effort"]) for s in sources if "effort" in s.values]
    name, value = named[-1] if named else ("", "medium")
    for effort in EFFORTS:
        if value == effort:
            return effort
    raise ConfigError(f"effort in {name} must be low, medium or high, not {value!r}.")


def _merge(base: MutableMapping[str, Any], more: Mapping[str, Any]) -> None:
    base.update(_merged(base, more))


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in more.items():
        plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        below = base.get(key)
        if isinstance(plain, Mapping) and isinstance(below, Mapping):
            result[key] = {**below, **_merged(below, plain)}
        else:
            result[key] = plain
    return result


def _validated(values: Mapping[str, Any], source: _Source) -> Settings:
    from pydantic import TypeAdapter, ValidationError  # takes longer to load than all else here

    try:
        settings = TypeAdapter(Settings).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{key} in {source.name}: {first['msg'].lower()}, not {first['input']!r}."
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{source.name}: {error}") from error
    return _expanded(settings)


def _expanded(settings: Settings) -> Settings:
    data = settings.data.expanduser() if settings.data else None
    return replace(settings, home=settings.home.expanduser(), data=data)


def _default_home(environ: Mapping[str, str]) -> Path:
    return _user_folder(environ, "data")


def _user(environ: Mapping[str, str]) -> str:
    """Who runs this process, as far as the system says."""
    for name in ("LOGNAME", "USER", "USERNAME"):
        if environ.get(name):
            return environ[name]
    return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _user_folder(environ: Mapping[str, str], purpose: Literal["config", "data"]) -> Path:
    """The platform's folder for one user's data or configuration of ours."""
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "quorumsql"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "quorumsql"
    if purpose == "config":
        return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "quorumsql"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "quorumsql"
