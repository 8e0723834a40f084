"""A folder to break: two databases, and a finished evaluation."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mersearch import cli
from mersearch.data.synthetic import synthesize
from tests.bad.inputs import SEARCH, Mersearch, contents, run_here, write


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two databases, and a finished evaluation `runs/done`."""
    folder = tmp_path_factory.mktemp("bad")
    synthesize(folder / "casme2", "casme2", subjects=3, clips=8, seed=0, quirks=False, size=0.5)
    synthesize(folder / "ckplus", "ckplus", subjects=2, clips=4, seed=0, quirks=False, size=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["mersearch", "evaluate", write("done.yaml", {"run": {"name": "done"}})])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    return folder


@pytest.fixture(autouse=True)
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to break, as the current directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    write("tiny.yaml", SEARCH)
    write("one.yaml", {})
    return tmp_path


@pytest.fixture
def mersearch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mersearch:
    """Runs a command in this process."""
    return lambda *arguments: run_here(monkeypatch, capsys, *arguments)


@pytest.fixture
def refuses(mersearch: Mersearch, place: Path) -> Callable[..., str]:
    """Runs a command that must end with 2 and these parts of its message, and leave every file as it was."""

    def check(*arguments: str, says: tuple[str, ...]) -> str:
        before = contents(place)
        message = mersearch(*arguments).says(2, *says)
        assert contents(place).items() >= before.items()
        assert not (place / "runs/new").exists()
        return message

    return check
