"""A manifest from its table to a search and its best configuration; and the commands of its document."""

from __future__ import annotations

import csv
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mersearch import cli
from mersearch.config import compose
from mersearch.data.synthetic import synthesize, synthesize_manifest
from mersearch.data.synthetic.manifest import Maps
from mersearch.export import export
from mersearch.opening import Opened, open_run
from mersearch.search.policy import NoStopping
from mersearch.search.session import Session
from tests.commands import ROOT
from tests.tiny import predictions

TEXT = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
QUICK = {
    "quintuplet": ("mask.steps=2", "mask.width=4", "attention.heads=2", "batch.quintuplets=2"),
    "disentangle": ("emotion.steps=2", "identity.steps=2", "information.steps=2", "attention.heads=2"),
}
SMALL = ("search.trials=2", "search.scheduler=none", "search.concurrency=1", "trial.gpus=0")


def quick(algorithm: str) -> list[str]:
    """Overrides with which a fold trains in a fraction of a second."""
    settings = [*QUICK[algorithm], "train.steps=2", "encoder.width=4", "encoder.dim=8"]
    return [*SMALL, *(f"algorithm.{setting}" for setting in settings)]


def searched(opened: Opened) -> list[Any]:
    """A search in this process, without Ray: the trials of the run after it."""
    config, worker = opened.config, opened.study.open()
    with opened.run.writer() as writer:
        session = Session(
            writer,
            space=config.space,
            trials=config.search.trials,
            metric="uf1",
            policy=NoStopping(),
            seed=0,
            sampler="random",
        )
        while (proposal := session.next_trial()) is not None:
            worker.start(proposal.parameters)
            done = 0
            while subjects := session.plan.next_chunk(done):
                session.report(proposal.trial, worker.train(proposal.trial, subjects, done, attempt=0))
                done += len(subjects)
    return list(opened.run.read().in_state("complete"))


@pytest.mark.parametrize(("algorithm", "maps"), [("quintuplet", 1), ("disentangle", 1), ("quintuplet", 3)])
def test_a_search_runs_on_flow_alone(algorithm: str, maps: int, tmp_path: Path) -> None:
    root = synthesize_manifest(tmp_path / "flow", subjects=3, clips=9, maps=Maps(maps, 16))
    places = [f"data.root={root}", "macro=none", f"run.root={tmp_path / 'runs'}"]
    opened = open_run(compose(f"{algorithm}_sdu", [*places, *quick(algorithm)]), lambda *_: None)
    assert opened.config.preprocess.frames == (1 if maps == 1 else maps + 1)
    assert len(searched(opened)) == 2
    found = predictions(opened.run)
    assert len(found) == 2 * 3
    assert all(np.isfinite(np.array(fold[2], float)).all() for fold in found.values())


def test_what_the_data_lack_is_off_in_the_exported_configuration_too(tmp_path: Path) -> None:
    root = synthesize_manifest(tmp_path / "flow", subjects=2, clips=6)
    places = [f"data.root={root}", "macro=none", f"run.root={tmp_path / 'runs'}"]
    opened = open_run(compose("quintuplet_sdu", [*places, *quick("quintuplet")]), lambda *_: None)
    assert any("macro members of the quintuplets (quintuplet.macro=false)" in line for line in opened.remarks)
    searched(opened)
    (best,) = export(opened.run).files
    exported = compose(best)
    assert (exported.algorithm.settings["views"], exported.preprocess.frames) == ("flow", 1)
    assert "algorithm.views" in exported.given


def commands(heading: str) -> list[list[str]]:
    """The commands below a heading of the document, as words."""
    section = TEXT[TEXT.index(heading) :].partition("\n## ")[0]
    lines = [
        line for block in re.findall(r"```bash\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]
    return [shlex.split(line)[1:] for line in lines]


def write_example(folder: Path) -> None:
    """The table of the example, and the clips that it names."""
    table = re.search(r"```csv\n(.*?)```", TEXT[TEXT.index("## Example: SDU") :], re.DOTALL)
    assert table is not None
    (folder / "SDU").mkdir()
    (folder / "SDU" / "manifest.csv").write_text(table[1])
    for row in csv.DictReader(table[1].splitlines()):
        frames = folder / "SDU" / row["frames"]
        frames.mkdir(parents=True)
        for number in range(int(row["onset"]), int(row["offset"]) + 1):
            picture = np.full((24, 24), 10 * number, np.uint8)
            assert cv2.imwrite(str(frames / f"{number:04d}.jpg"), picture)


def ended(patch: pytest.MonkeyPatch, arguments: Sequence[str]) -> None:
    patch.setattr(sys, "argv", ["mersearch", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code


def test_the_commands_of_the_example_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_example(tmp_path)
    synthesize(tmp_path / "CK+", "ckplus", subjects=2, clips=14, seed=0, size=0.3)
    told = []
    for words in commands("## Example: SDU"):
        small = [word if word != "68" else "3" for word in words]
        algorithm = words[1].partition("_")[0]
        if words[0] == "launch" and "--dry-run" in words:
            small += [
                *quick(algorithm),
                "preprocess.size=16",
                "preprocess.flow_size=32",
                "preprocess.frames=2",
            ]
        elif words[0] == "launch":
            compose(words[1], [*words[2:], *quick(algorithm)])
            continue
        ended(monkeypatch, small)
        told.append(capsys.readouterr().out)
    assert len(told) == 6
    assert "manifest: 4 clips of 2 subjects, 4 annotations read" in told[0]
    assert "absent" not in told[1]
    assert "macro members of the quintuplets" in " ".join(told[2].split())


def test_the_commands_of_the_document_are_commands() -> None:
    for words in commands("# The general manifest"):
        assert words[0] in ("data", "launch")
        if words[0] == "launch":
            compose(words[1], [word for word in words[2:] if not word.startswith("--")])


def test_the_line_in_the_document_is_what_is_printed() -> None:
    from mersearch.holdings import Holdings, fitted

    config = compose("quintuplet_sdu", ["data.root=here", "macro=none"])
    remark = fitted(config, Holdings(("flow",), macro=False)).remark
    assert remark in " ".join(TEXT.split())
