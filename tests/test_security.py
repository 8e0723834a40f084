"""What docs/cluster.md says is protected, as far as the code itself shows it."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
from pathlib import Path

import pytest

from mersearch.training.sharing import SharedData
from tests.commands import ROOT
from tests.every import DEVICE_DATA
from tests.tiny import Tiny

TALKING = ("mersearch/training/processes.py", "mersearch/training/child.py")
"""A command and the processes that it starts, over pipes that only they hold; no file is read."""
UNPICKLING = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
CODE = [*(ROOT / "mersearch").rglob("*.py"), *(ROOT / "trainables").rglob("*.py")]
READING = {"open", "load", "Unpickler", "Client", "Listener", "read_bytes", "socket"}
"""Names of what would take a pickle from a file, a port or a path."""
SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_unpickles(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if str(file.relative_to(ROOT)) not in TALKING:
            assert not {name.partition(".")[0] for name in names} & UNPICKLING, file
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("torch.load", "yaml.load", "yaml.unsafe_load", "eval", "exec"), file
            allowed = [ast.unparse(word.value) for word in node.keywords if word.arg == "allow_pickle"]
            assert allowed in ([], ["False"]), file


@pytest.mark.parametrize("name", TALKING)
def test_processes_that_exchange_pickles_take_none_from_a_file_or_a_port(name: str) -> None:
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called not in ("layout.open", "self._shared.open"):
            assert called.rpartition(".")[2] not in READING, ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            assert not {alias.name for alias in node.names} & READING, ast.unparse(node)


def test_the_clips_that_processes_share_lie_in_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    shared = SharedData(DEVICE_DATA)
    found = os.fstat(shared.descriptor)
    shared.close()
    assert (found.st_nlink, stat.S_IMODE(found.st_mode)) == (0, 0o600)


def test_nothing_of_the_environment_gets_into_a_run_or_is_printed(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    said = tiny.do("launch", "tiny.yaml", "run.name=secret", "search.trials=1")
    files = [file for file in tiny.run("secret").path.rglob("*") if file.is_file()]
    assert files
    assert SECRET not in said
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]


def test_a_run_has_no_token_of_the_ray_that_it_was_made_by(tiny: Tiny) -> None:
    run = tiny.run("tiny").path
    assert not list(run.rglob("*token*"))
    provenance = json.loads((run / "provenance.json").read_text())
    assert set(provenance["environment"]) == {"python", "platform", "packages"}
    assert not re.search(r"RAY_|AUTH|SECRET", (run / "provenance.json").read_text())


def test_every_ray_that_is_started_has_a_token_no_dashboard_and_no_statistics() -> None:
    text = (ROOT / "mersearch" / "search" / "ray_cluster.py").read_text()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    starts = [call for call in calls if ast.unparse(call.func) == "ray.init"]
    assert len(starts) == 1
    assert '"RAY_USAGE_STATS_ENABLED": "0"' in text
    assert '"include_dashboard": False' in text
    assert [file.name for file in CODE if "= ray.init(" in file.read_text()] == ["ray_cluster.py"]
