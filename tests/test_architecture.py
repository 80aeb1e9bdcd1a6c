"""The rules of the house that a program can check: layers, sizes, names, imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

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
    {"ports", "permissions", "disk", "outcome", "dialects"},
    {
        "sql",
        "guard",
        "results",
        "joins",
        "sample",
        "urls",
        "hashes",
        "kept",
        "tokens",
        "objects",
        "naming",
    },  # pure functions
    {
        "render",
        "forms",
        "profiles",
        "explain",
        "charts",
        "follow",
        "words",
        "synonyms",
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
    {"solved"},
    {"assemble", "opening", "said", "shipped"},
    {"answered", "adapted", "proposals"},
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


def broken(paths: Iterable[Path], wrong: Callable[[Path], Iterator[str]]) -> list[str]:
    """What is `wrong` with each file, a line each: one test looks at all files."""
    return [f"{named(path)}: {words}" for path in paths for words in wrong(path)]


def nodes(path: Path) -> Iterator[ast.AST]:
    """All nodes of a file, the module itself first."""
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


@cache
def imports(path: Path) -> list[str]:
    """Full names of all that a file imports, wherever in the file, as `package.module.name`."""
    found = []
    for node in nodes(path):
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


def test_imports_point_down() -> None:
    def wrong(path: Path) -> Iterator[str]:
        own = part_of(path)
        if own not in RANK:
            yield f"{own!r} has no layer: add it to LAYERS, with a reason"
            return
        for other in own_imports(path) - {own, "__version__"}:
            below = RANK.get(other, len(LAYERS)) < RANK[own]
            if not below or (own, other) in ALSO_FORBIDDEN:
                yield f"it imports {other!r}, which is not below it"

    assert broken(MODULES, wrong) == []


def test_the_layer_test_sees_an_upward_import_inside_a_function(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("def f():\n    from quorumsql.db import open_database\n", encoding="utf-8")
    assert own_imports(path) == {"db"}


def test_every_layer_has_its_modules() -> None:
    assert {part_of(path) for path in MODULES} <= set(RANK)


def test_files_are_short() -> None:
    def wrong(path: Path) -> Iterator[str]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE:
            yield f"{lines} lines: it has two jobs"

    assert broken(EVERY_FILE, wrong) == []


def test_functions_fit_a_screen() -> None:
    def wrong(path: Path) -> Iterator[str]:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    yield f"{node.name} has {lines} lines"

    assert broken(MODULES, wrong) == []


def test_names_say_what_a_file_is_for() -> None:
    def wrong(path: Path) -> Iterator[str]:
        parts = set(path.relative_to(REPOSITORY).with_suffix("").parts)
        allowed = {"data"} if part_named(path) in {"train", "tests"} else set()
        yield from (f"{name!r} says nothing" for name in parts & (BANNED_NAMES - allowed))

    assert broken(EVERY_FILE, wrong) == []


def part_named(path: Path) -> str:
    return part_of(path) if path.is_relative_to(ROOT) else path.relative_to(REPOSITORY).parts[0]


def test_nothing_is_mocked() -> None:
    def wrong(path: Path) -> Iterator[str]:
        yield from (name for name in imports(path) if name.split(".")[:2] == ["unittest", "mock"])

    assert broken(EVERY_FILE, wrong) == []


def test_only_config_reads_the_environment() -> None:
    def wrong(path: Path) -> Iterator[str]:
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if f"{node.value.id}.{node.attr}" in {"os.environ", "os.getenv", "os.environb"}:
                    yield f"line {node.lineno}"
        yield from {"os.environ", "os.getenv"} & set(imports(path))

    assert broken((path for path in MODULES if part_of(path) != "config"), wrong) == []


def test_what_training_needs_stays_in_training() -> None:
    def wrong(path: Path) -> Iterator[str]:
        yield from {name.split(".")[0] for name in imports(path)} & TRAINING_ONLY

    assert broken((path for path in MODULES if part_of(path) != "train"), wrong) == []


def test_modules_say_what_they_do_not_cover() -> None:
    def wrong(path: Path) -> Iterator[str]:
        module = next(nodes(path))
        assert isinstance(module, ast.Module)
        text = ast.get_docstring(module)
        if not text:
            yield "no docstring"
        elif path.name not in {"__init__.py", "__main__.py"} and "What is not covered" not in text:
            yield "the docstring does not end with its limits"

    assert broken(MODULES, wrong) == []


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
