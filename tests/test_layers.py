"""Imports point down only, and each big dependency has one door."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the bottom to the top: a module may import its own layer and those below it.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "mersearch.counted",
        "mersearch.errors",
        "mersearch.cores",
        "mersearch.disk",
        "mersearch.durations",
        "mersearch.heap",
        "mersearch.interrupts",
        "mersearch.nesting",
        "mersearch.seeds",
        "mersearch.similar",
        "mersearch.stateless",
        "mersearch.space",
        "mersearch.student",
    ),
    (
        "mersearch.algorithm",
        "mersearch.metrics",
        "mersearch.numerics",
        "mersearch.data",
        "mersearch.config",
    ),
    (
        "mersearch.training",
        "mersearch.store",
        "mersearch.selection",
        "mersearch.statistics",
        "mersearch.ledger",
        "mersearch.sameness",
        "mersearch.honest",
        "mersearch.audit",
        "mersearch.by_database",
        "mersearch.front",
    ),
    ("mersearch.testing",),
    (
        "mersearch.search",
        "mersearch.holdings",
        "mersearch.material",
        "mersearch.preparation",
        "mersearch.provenance",
        "mersearch.timing",
        "mersearch.batching",
    ),
    ("mersearch.ready",),
    ("mersearch.opening", "mersearch.placing", "mersearch.simulation"),
    (
        "mersearch.ablation",
        "mersearch.comparison",
        "mersearch.evaluation",
        "mersearch.export",
        "mersearch.measuring",
        "mersearch.model",
        "mersearch.nested",
        "mersearch.outer",
        "mersearch.packed",
        "mersearch.planning",
        "mersearch.report",
        "mersearch.spending",
        "mersearch.spread",
        "mersearch.summary",
    ),
    (
        "mersearch.cluster",
        "mersearch.console",
        "mersearch.doctor",
        "mersearch.searching",
        "mersearch.verification",
    ),
    ("mersearch.cli",),
)
DOORS = {
    "hydra": ("mersearch.config",),
    "omegaconf": ("mersearch.config",),
    "pydantic": ("mersearch.config",),
    "ray": ("mersearch.search",),
    "optuna": ("mersearch.search",),
    "tensorboardX": ("mersearch.search",),
    "cv2": ("mersearch.data",),
    "pandas": ("mersearch.data",),
    "matplotlib": ("mersearch.report",),
    "rich": ("mersearch.console", "mersearch.cli"),
    "jsonschema": ("mersearch.cluster",),
    "typer": ("mersearch.cli",),
    "pytest": ("mersearch.testing",),
}
FREE = ("mersearch",)


def modules() -> dict[str, Path]:
    """Dotted name → file, for every module of both packages."""
    found = {}
    for package in ("mersearch", "trainables"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(file: Path, types: bool = True) -> set[str]:
    """Every module that the file imports anywhere (relative imports are not used); if asked, not for types alone."""
    names = set()
    tree = ast.parse(file.read_text())
    if not types:
        tree.body = [node for node in tree.body if ast.unparse(node).partition(":")[0] != "if TYPE_CHECKING"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def under(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def layer(module: str) -> int:
    for height, prefixes in enumerate(LAYERS):
        if any(under(module, prefix) for prefix in prefixes):
            return height
    raise AssertionError(f"{module} belongs to no layer: name it in LAYERS")


@pytest.mark.parametrize(("module", "file"), modules().items(), ids=str)
def test_a_module_imports_only_its_own_layer_and_those_below(module: str, file: Path) -> None:
    known = modules()
    for imported in imports(file) & known.keys() - set(FREE):
        if module.startswith("trainables"):
            assert imported.startswith("trainables") or layer(imported) <= 1, f"{module} imports {imported}"
        elif module not in FREE:
            assert not imported.startswith("trainables"), f"{module} imports {imported} instead of by name"
            assert layer(imported) <= layer(module), f"{module} imports {imported}"


def test_no_two_modules_import_each_other_also_not_by_way_of_others() -> None:
    known = modules()
    graph = {
        module: {name for name in imports(file, types=False) & known.keys() if not under(module, name)}
        for module, file in known.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" ← ".join(error.args[1]))


@pytest.mark.parametrize("dependency", DOORS)
def test_a_dependency_is_imported_only_behind_its_door(dependency: str) -> None:
    for module, file in modules().items():
        if any(under(imported, dependency) for imported in imports(file)):
            assert any(under(module, door) for door in DOORS[dependency]), f"{module} imports {dependency}"


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in result.stdout.split()}


def test_training_and_the_algorithms_import_without_the_search_stack() -> None:
    loaded = loaded_after("import mersearch.training, trainables.quintuplet, mersearch.data.folds")
    assert not loaded & {"ray", "optuna", "hydra", "omegaconf", "pydantic", "rich", "typer"}


def test_the_command_line_imports_nothing_heavy() -> None:
    heavy = {"ray", "torch", "pandas", "scipy", "cv2", "optuna", "hydra", "matplotlib"}
    assert not loaded_after("import mersearch.cli") & heavy


def test_what_status_needs_imports_nothing_heavy() -> None:
    heavy = {"ray", "torch", "pandas", "scipy", "cv2", "optuna", "hydra", "pydantic"}
    assert not loaded_after("import mersearch.summary, mersearch.honest, mersearch.comparison") & heavy
