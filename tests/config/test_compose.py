from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mersearch.config import compose
from mersearch.errors import ConfigError
from mersearch.space import Choice, Float, Int
from tests.config.files import SPACE, Write


def test_a_minimal_file_is_filled_with_defaults(write: Write) -> None:
    config = compose(write())
    assert config.run.name == "mine"
    assert (config.run.root, config.run.seed, config.search.trials) == ("runs", 0, 10)
    assert (config.trial.gpus, config.search.concurrency, config.folds.backend) == ("auto", "auto", "loop")
    assert config.algorithm.settings == {
        "loss": {"weight": 1.0, "macro": True, "margin": 0.5},
        "steps": 30,
        "widths": [8, 16],
        "kind": "a",
        "limit": None,
        "table": {},
    }
    assert not config.space.parameters
    assert not config.macro.present


@pytest.mark.parametrize("gpus", [0, 0.25, 1, 1.0, 2, 3.0])
def test_a_share_of_a_card_and_whole_cards_can_be_asked_for(write: Write, gpus: float) -> None:
    assert compose(write(), [f"trial.gpus={gpus}"]).trial.gpus == gpus


def test_paths_of_data_and_cache_are_absolute_and_the_home_is_expanded(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = compose(write(), ["data=casme2", "data.root=~/CASME II (1)", "run.root=out"])
    assert config.data.root == str(tmp_path / "home" / "CASME II (1)")
    assert config.cache == str(tmp_path / "out" / ".cache")
    assert compose(write(), ["data.root=here"]).data.root == str(tmp_path / "here")


def test_the_folder_of_a_synthetic_database_tells_what_is_in_it(write: Write) -> None:
    one = compose(write(), ["data.synthetic.seed=3"]).data.root
    assert one.endswith("runs/.synthetic/casme2-8-3-1.0-auto")
    assert one != compose(write(), ["data.synthetic.difficulty=2"]).data.root


def test_the_space_takes_its_kinds_from_the_settings(write: Write) -> None:
    kinds = {d.path: type(d) for d in compose(write(SPACE)).space.parameters}
    assert kinds == {
        "algorithm.loss.weight": Float,
        "algorithm.loss.macro": Choice,
        "algorithm.steps": Int,
        "algorithm.loss.margin": Float,
    }


def test_an_override_of_a_searched_key_fixes_it(write: Write) -> None:
    config = compose(write(SPACE), ["algorithm.loss.weight=2", "algorithm.kind=b"])
    assert config.fixed == ("algorithm.loss.weight",)
    assert "algorithm.loss.weight" not in config.space.paths
    assert config.algorithm.settings["loss"]["weight"] == 2.0


def test_an_override_with_a_mapping_fixes_what_is_in_it(write: Write) -> None:
    config = compose(write(SPACE), ["algorithm.loss={weight: 2}"])
    assert config.fixed == ("algorithm.loss.weight",)
    assert config.algorithm.settings["loss"] == {"weight": 2.0, "macro": True, "margin": 0.5}


def test_fixing_a_parent_drops_what_then_cannot_exist(write: Write) -> None:
    config = compose(write(SPACE), ["algorithm.loss.macro=false"])
    assert set(config.fixed) == {"algorithm.loss.macro", "algorithm.loss.margin"}
    config = compose(write(SPACE), ["algorithm.loss.macro=true"])
    assert config.fixed == ("algorithm.loss.macro",)
    margin = {d.path: d for d in config.space.parameters}["algorithm.loss.margin"]
    assert not margin.when


def test_a_deleted_parameter_keeps_the_value_of_the_file(write: Write) -> None:
    config = compose(write(SPACE), ["~space.algorithm.loss.macro"])
    assert config.fixed == ("algorithm.loss.macro",)
    assert config.algorithm.settings["loss"]["macro"] is True
    assert "algorithm.loss.margin" in config.space.paths


def test_a_range_can_be_changed_and_added(write: Write) -> None:
    config = compose(
        write(SPACE), ["space.algorithm.steps.high=20", "+space.algorithm.kind={choices: [a, b]}"]
    )
    dimensions = {d.path: d for d in config.space.parameters}
    assert dimensions["algorithm.steps"] == Int("algorithm.steps", 10, 20)
    assert dimensions["algorithm.kind"] == Choice("algorithm.kind", ("a", "b"))


def test_a_group_is_chosen_though_the_file_names_none(write: Write) -> None:
    head = "algorithm: {name: 'tests.config.example:Example'}\ndata: {database: x, root: x, labels: x}\n"
    config = compose(write(head=head), ["data=casme2", "data.root=here", "macro=ckplus", "macro.root=there"])
    assert (config.data.database, config.data.labels) == ("casme2", "casme2-5")
    assert config.macro.database == "ckplus"


def test_a_real_database_leaves_nothing_of_the_synthetic_one(write: Write) -> None:
    assert compose(write(), ["data=casme2", "data.root=here"]).data.synthetic is None
    assert compose("quintuplet", ["macro=ckplus", "macro.root=here"]).macro.synthetic is None


def test_groups_of_ones_own_beside_the_file_come_first(write: Write, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lab.yaml").write_text("database: casme2\nroot: lab\nlabels: casme2-7\n")
    (tmp_path / "data" / "casme2.yaml").write_text("database: casme2\nroot: own\nlabels: casme2-7\n")
    assert compose(write(), ["data=lab"]).data.labels == "casme2-7"
    assert compose(write(), ["data=casme2"]).data.root == str(tmp_path / "own")


def test_a_file_may_extend_a_shipped_space(write: Write) -> None:
    file = write(head="defaults:\n  - quintuplet\n  - _self_\nsearch:\n  trials: 3\n")
    config = compose(file, ["data=casme2", "data.root=x"])
    assert (config.search.trials, config.run.name) == (3, "mine")
    assert config.space == compose("quintuplet").space


def test_file_names_with_spaces_and_signs_work(write: Write) -> None:
    config = compose(write(name="it's (my) space=1.yaml"))
    assert config.run.name == "it-s-my-space-1"


def test_composing_leaves_hydra_as_it_was(write: Write) -> None:
    from hydra.core.global_hydra import GlobalHydra

    file = write()
    assert compose(file) == compose(file)
    assert not GlobalHydra.instance().is_initialized()
    with pytest.raises(ConfigError):
        compose(file, ["data=nothing"])
    assert not GlobalHydra.instance().is_initialized()


def test_a_module_in_the_current_directory_is_found(write: Write, tmp_path: Path) -> None:
    source = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass S:\n    x: float = 0.5\n"
    (tmp_path / "a_local_module.py").write_text(source + "class Mine:\n    Settings = S\n")
    write(head="defaults: [{data: synthetic}, _self_]\nalgorithm: {name: 'a_local_module:Mine'}\n")
    code = (
        "import sys; sys.path.remove('')\n"
        "from mersearch.config import compose; print(compose('mine.yaml').algorithm)"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
    )
    assert "settings={'x': 0.5}" in result.stdout
    assert result.stderr == ""


def test_importing_the_package_opens_no_door() -> None:
    code = "import sys, mersearch.config; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "hydra", "omegaconf", "pydantic", "ray", "pandas", "cv2"} & set(output.split())
