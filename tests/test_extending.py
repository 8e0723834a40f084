"""The example of docs/extending.md, as a package outside the checkout."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mersearch.config import compose
from mersearch.config.importing import algorithm_class, folder_of
from mersearch.errors import ConfigError
from tests.commands import ROOT
from tests.tiny import Tiny, predictions

TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def block(before: str, language: str) -> str:
    """The first block of code in a language after a place in the text."""
    found = re.search(rf"```{language}\n(.*?)```", TEXT[TEXT.index(before) :], re.DOTALL)
    assert found is not None, f"no {language} block after {before!r}"
    return found[1]


def example() -> dict[str, Any]:
    """What the document's test module defines."""
    names: dict[str, Any] = {}
    exec(block("`test_mine.py`", "python"), names)
    return names


TestMine = example()["TestMine"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `mypackage`."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "mypackage").mkdir()
    (folder / "mypackage" / "__init__.py").touch()
    (folder / "mypackage" / "mine.py").write_text(block("`mypackage/mine.py`", "python"))
    return folder


@pytest.fixture(scope="module", autouse=True)
def importable(folder: Path) -> Iterator[None]:
    path = list(sys.path)
    sys.path.append(str(folder))
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mypackage"]:
        del sys.modules[name]


def space(folder: Path, **changes: Any) -> Path:
    """The document's search space, in a folder."""
    values = yaml.safe_load(block("`myspace.yaml`", "yaml"))
    values["algorithm"].update(changes)
    file = folder / "myspace.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def test_the_search_space_of_the_document_is_valid(tmp_path: Path) -> None:
    config = compose(space(tmp_path), [])
    assert config.algorithm.name == "mypackage.mine:Mine"
    searched = {parameter.path for parameter in config.space.parameters}
    assert searched == {"algorithm.steps", "algorithm.lr", "algorithm.strain"}


def test_a_worker_is_told_the_folder_that_the_module_lies_in(folder: Path) -> None:
    assert folder_of("mypackage.mine:Mine") == folder
    assert folder_of("trainables.quintuplet:Quintuplet") == ROOT


def test_a_process_with_another_path_finds_the_module_in_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.py").write_text("from mypackage.mine import Mine\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ConfigError, match="the module elsewhere cannot be imported"):
        algorithm_class("elsewhere:Mine")
    assert algorithm_class("elsewhere:Mine", tmp_path).__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (
            "mypackage.mein:Mine",
            "the module mypackage.mein cannot be imported(.|\n)*install it, or start from",
        ),
        ("mypackge:Mine", "the module mypackge cannot be imported(.|\n)*install it, or start from"),
        ("mypackage.mine:Mein", "Mein is no class of mypackage.mine(.|\n)*did you mean Mine"),
        ("mypackage.mine", "must be module:Class"),
        (
            "mypackage.needy:Mine",
            r"No module named 'no_such_library' \(.*needy\.py, line 1\)(.|\n)*mend the module",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_with_the_file_and_the_line(
    name: str, rule: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "mypackage" / "needy.py").write_text("import no_such_library\n")
    file = space(tmp_path, name=name)
    line = 1 + next(i for i, text in enumerate(file.read_text().splitlines()) if "name:" in text)
    with pytest.raises(ConfigError, match=rf"myspace\.yaml:{line}: algorithm\.name(.|\n)*{rule}"):
        compose(file, [])


@pytest.mark.ray
def test_a_search_with_an_algorithm_on_pythonpath_runs_from_start_to_end(
    tiny: Tiny, folder: Path, tmp_path: Path
) -> None:
    file = space(tmp_path, dropout=0.2)
    options = [
        "data=casme2",
        "data.root=casme2",
        *(f"preprocess.{key}" for key in ("frames=2", "size=16", "flow_size=32", "cache=cache")),
        "space.algorithm.steps.high=60",
        *("search.trials=2", "search.scheduler=none", "search.concurrency=1", "trial.gpus=0"),
    ]
    with tiny.start("launch", str(file), "run.name=mine", *options, path=folder) as command:
        command.ended()
    assert len(predictions(tiny.run("mine"))) == 2 * 3
