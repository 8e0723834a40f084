from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.files import HEAD, Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes `mine.yaml` (or another file) into an empty current directory: the head of a valid file, and more."""
    monkeypatch.chdir(tmp_path)

    def writer(more: str = "", name: str = "mine.yaml", head: str = HEAD) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(head + more)
        return file

    return writer
