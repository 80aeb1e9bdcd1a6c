"""The rules of the house that a program can check: layers, sizes, names, imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
ROOT = REPOSITORY / "src" / "quorumsql"
MODULES = sorted(
    path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name[:2] != "__"
)
EVERY_FILE = sorted(
    path
    for folder in ("src", "tests", "benchmarks")
    for path in (REPOSITORY / folder).rglob("*.py")
)

# A module may import only from rows above its own, never a sibling of its own row.
LAYERS = [
    {"domain", "errors"},
    {"ports", "permissions"},
    {
        "sql",
        "guard",
        "results",
        "joins",
        "sample",
        "urls",
        "hashes",
        "tokens",
        "objects",
    },  # pure functions
    {
        "render",
        "forms",
        "profiles",
        "explain",
        "charts",
        "follow",
        "words",
    },  # pure functions that write SQL or names
    {"replies", "skeletons"},  # pure functions that read what models and people wrote
    {"prompts"},  # pure functions that write what models read
    {"db", "llm", "neural", "stores", "stages"},  # adapters and stages do not see each other
    {"trace"},
    {"spans"},  # what happened, told to OpenTelemetry
    {"survey"},  # reads a database (db) into files of ours (stores): the one place that joins them
    {"ballot"},  # generators, database and selector brought together
    {"pipeline"},
    {"config"},
    {"assemble", "opening", "said", "shipped"},
    {"answered", "adapted"},
    {"api"},
    {"evals"},
    {"train"},
    {"mcp_server", "web"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
# results names an unknown mode as errors do; both stay below everything that computes.
ALSO_FORBIDDEN = {
    (built, part) for built in ("ballot", "pipeline") for part in ("db", "llm", "neural", "stores")
}

BANNED_NAMES = {
    "utils",
    "util",
    "helpers",
    "common",
    "manager",
    "handler",
    "data",
    "info",
    "process",
}
TRAINING_ONLY = {"torch", "transformers", "sentence_transformers", "onnx", "onnxscript"}
LONGEST_FILE = 450
LONGEST_FUNCTION = 70


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def imports(path: Path) -> list[str]:
    """Full names of all that a file imports, wherever in the file, as `package.module.name`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}:{node.lineno}: use absolute imports"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def own_imports(path: Path) -> set[str]:
    """Our own packages and modules, one level deep, that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("quorumsql.")}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_point_down(path: Path) -> None:
    own = part_of(path)
    assert own in RANK, f"{own!r} has no layer: add it to LAYERS, with a reason"
    for other in own_imports(path) - {own, "__version__"}:
        allowed = RANK.get(other, len(LAYERS)) < RANK[own] and (own, other) not in ALSO_FORBIDDEN
        assert allowed, f"{named(path)} imports {other!r}, which is not below it"


def test_the_layer_test_sees_an_upward_import_inside_a_function(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("def f():\n    from quorumsql.db import open_database\n", encoding="utf-8")
    assert own_imports(path) == {"db"}


def test_every_layer_has_its_modules() -> None:
    assert {part_of(path) for path in MODULES} <= set(RANK)


@pytest.mark.parametrize("path", EVERY_FILE, ids=named)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: it has two jobs"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_functions_fit_a_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", EVERY_FILE, ids=named)
def test_names_say_what_a_file_is_for(path: Path) -> None:
    parts = set(path.relative_to(REPOSITORY).with_suffix("").parts)
    allowed = {"data"} if part_named(path) in {"train", "tests"} else set()
    assert not parts & (BANNED_NAMES - allowed), "a name that says nothing"


def part_named(path: Path) -> str:
    return part_of(path) if path.is_relative_to(ROOT) else path.relative_to(REPOSITORY).parts[0]


@pytest.mark.parametrize("path", EVERY_FILE, ids=named)
def test_nothing_is_mocked(path: Path) -> None:
    assert not any(name.split(".")[:2] == ["unittest", "mock"] for name in imports(path))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_only_config_reads_the_environment(path: Path) -> None:
    if part_of(path) == "config":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            read = f"{node.value.id}.{node.attr}"
            assert read not in {"os.environ", "os.getenv", "os.environb"}, f"line {node.lineno}"
    assert not {"os.environ", "os.getenv"} & set(imports(path))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_what_training_needs_stays_in_training(path: Path) -> None:
    if part_of(path) == "train":
        return
    assert not {name.split(".")[0] for name in imports(path)} & TRAINING_ONLY


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_modules_say_what_they_do_not_cover(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert text, "no docstring"
    if path.name not in {"__init__.py", "__main__.py"}:
        assert "What is not covered" in text, "the docstring does not end with its limits"


def test_no_machine_is_named_in_what_we_ship() -> None:
    """The folder of data stands in one line of the Makefile, and nowhere else."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert sum("../shared/data" in line for line in makefile.splitlines()) == 1
    for path in EVERY_FILE:
        text = path.read_text(encoding="utf-8")
        assert path == Path(__file__) or "shared/data" not in text, named(path)


def test_importing_the_package_is_light() -> None:
    heavy = ("onnxruntime", "pandas", "torch", "sqlalchemy", "sqlglot", "tokenizers", "numpy")
    code = f"import sys, quorumsql; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
