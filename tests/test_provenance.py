from __future__ import annotations

from pathlib import Path

import pytest

from mersearch.provenance import sources


def test_the_digest_of_the_sources_changes_when_a_file_moves_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "package_that_moves"
    for folder in (package, package / "a", package / "b"):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    (package / "a" / "x.py").write_text("1")
    before = sources("package_that_moves.a:Algorithm")
    assert sources("package_that_moves:Other") == before
    (package / "a" / "x.py").rename(package / "b" / "x.py")
    assert sources("package_that_moves.a:Algorithm") != before
