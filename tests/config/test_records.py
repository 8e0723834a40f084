from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest
import yaml

from mersearch.algorithm import settings_from
from mersearch.config import Config, compose
from mersearch.config.load import read_back
from mersearch.errors import ConfigError
from tests.config.example import Settings
from tests.config.files import SPACE, Write


def stored(config: Config) -> str:
    return yaml.safe_dump(config.to_dict(), sort_keys=False, allow_unicode=True)


@pytest.mark.parametrize("overrides", [[], ["algorithm.loss.macro=false", "search.rungs=[0.5]"]], ids=str)
def test_a_stored_configuration_reads_back_the_same(write: Write, overrides: list[str]) -> None:
    config = compose(write(SPACE), overrides)
    assert read_back(yaml.safe_load(stored(config))) == config
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_stored_configuration_composes_again_and_takes_overrides(write: Write, tmp_path: Path) -> None:
    config = compose(write(SPACE), ["algorithm.steps=20"])
    (tmp_path / "config.yaml").write_text(stored(config))
    assert compose(tmp_path / "config.yaml") == config
    extended = compose(tmp_path / "config.yaml", ["search.trials=150"])
    assert extended == dataclasses.replace(config, search=dataclasses.replace(config.search, trials=150))
    assert extended.fixed == ("algorithm.steps",)


def test_a_pinned_configuration_composes_with_nothing_to_search(write: Write, tmp_path: Path) -> None:
    config = compose(write(SPACE))
    pinned = config.pinned({"algorithm.loss.weight": 0.7, "algorithm.loss.macro": False})
    assert pinned.algorithm.settings["loss"] == {"weight": 0.7, "macro": False, "margin": 0.5}
    (tmp_path / "best.yaml").write_text(stored(pinned))
    again = compose(tmp_path / "best.yaml")
    assert again == pinned
    assert not again.space.parameters


def test_parameters_of_a_trial_leave_the_configuration_as_it_was(write: Write) -> None:
    config = compose(write(SPACE))
    before = stored(config)
    settings = config.with_parameters({"algorithm.loss.weight": 0.7, "algorithm.steps": 11})
    assert (settings["loss"]["weight"], settings["steps"]) == (0.7, 11)
    assert settings_from(Settings, settings) == Settings(
        loss=dataclasses.replace(Settings().loss, weight=0.7), steps=11
    )
    assert stored(config) == before


@pytest.mark.parametrize("path", ["algorithm.los", "algorithm.steps.x", "search.trials", "algorithm.loss.w"])
def test_a_parameter_that_is_no_setting_is_refused(write: Write, path: str) -> None:
    with pytest.raises(ConfigError, match=f"{path} is no setting of tests.config.example:Example"):
        compose(write()).with_parameters({path: 1})


def test_a_broken_stored_configuration_names_its_file_and_line(write: Write, tmp_path: Path) -> None:
    values = compose(write()).to_dict()
    values["search"]["trials"] = "many"
    with pytest.raises(ConfigError, match=r"^config\.yaml: search\.trials must be a whole number ≥ 1"):
        read_back(values)
    file = tmp_path / "run" / "config.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    line = 1 + file.read_text().splitlines().index("  trials: many")
    with pytest.raises(ConfigError, match=rf"^run/config\.yaml:{line}: search\.trials"):
        read_back(values, file)
