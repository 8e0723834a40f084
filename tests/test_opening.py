"""A run that goes on: which keys may differ from the stored ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mersearch.config import compose
from mersearch.errors import ConfigError
from mersearch.opening import differences, extend
from mersearch.store import RunDirectory
from tests.runs import a_plan


def a_stored(path: Path, config: dict[str, Any]) -> RunDirectory:
    return RunDirectory.create(path, config=config, provenance={}, plan=a_plan())


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, Any]:
    """The configuration of a run that was made before `search.race` existed."""
    config = compose(
        "quintuplet", [f"run.root={tmp_path}", "run.name=old", "search.rungs=[0.25,0.5]"]
    ).to_dict()
    del config["search"]["race"]
    return config


def test_a_run_made_before_a_key_existed_goes_on_with_its_default(
    stored: dict[str, Any], tmp_path: Path
) -> None:
    run = a_stored(tmp_path / "old", stored)
    assert differences(run, extend(run, ())) == []
    again = compose("quintuplet", [f"run.root={tmp_path}", "run.name=old", "search.rungs=[0.25,0.5]"])
    assert differences(run, again) == []
    more = extend(run, ["search.trials=150"])
    assert differences(run, more) == [("search.trials", stored["search"]["trials"], 150)]
    (run.path / "config.yaml").write_text(yaml.safe_dump(more.to_dict()))
    assert differences(RunDirectory.open(run.path), more) == []


def test_another_value_than_the_default_of_a_key_that_it_lacks_is_another_configuration(
    stored: dict[str, Any], tmp_path: Path
) -> None:
    run = a_stored(tmp_path / "old", stored)
    changes = [f"run.root={tmp_path}", "run.name=old", "search.rungs=[0.25,0.5]", "search.race.audit=0.5"]
    with pytest.raises(ConfigError, match="exists with another configuration") as error:
        differences(run, compose("quintuplet", changes))
    assert error.value.received == "search.race.audit: 0.05 → 0.5"


def test_a_section_that_a_stored_configuration_lost_takes_no_default(
    stored: dict[str, Any], tmp_path: Path
) -> None:
    run = a_stored(tmp_path / "old", {name: stored[name] for name in stored if name != "folds"})
    with pytest.raises(ConfigError, match="exists with another configuration") as error:
        differences(run, extend(run, ()))
    assert error.value.received.startswith("folds: None → ")


def test_resume_takes_the_places_of_the_data_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [f"run.root={tmp_path}", "run.name=moved", "data=megc2019", "macro=none"]
    config = compose(
        "quintuplet", [*given, *(f"data.roots.{name}=/old/{name}" for name in ("casme2", "samm", "smic"))]
    )
    run = a_stored(tmp_path / "moved", config.to_dict())
    monkeypatch.chdir(tmp_path)
    found = extend(run, ["data.roots.samm=new/samm", "preprocess.cache=cache", "run.mirror=s3://bucket/runs"])
    assert found.data.roots["samm"] == str(tmp_path / "new" / "samm")
    assert found.data.roots["smic"] == "/old/smic"
    assert found.cache == str(tmp_path / "cache")
    changed = {key for key, _, _ in differences(run, found)}
    assert changed == {"data.roots.samm", "preprocess.cache", "run.mirror"}


def test_resume_reads_values_as_launch_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose("quintuplet", [f"run.root={tmp_path}", "run.name=old"])
    run = a_stored(tmp_path / "old", config.to_dict())
    monkeypatch.chdir(tmp_path)
    overrides = ["data.root=2024-01-15", "search.time_budget=90m", "search.gpu_hours=null"]
    launched, found = compose("quintuplet", overrides), extend(run, overrides)
    assert found.data.root == launched.data.root == str(tmp_path / "2024-01-15")
    assert (found.search.time_budget, found.search.gpu_hours) == ("90m", None)
    for bad in ("search.trials=2020-99-01", "search.trials=1e3", "search.trials=5,6", "search.trials=["):
        with pytest.raises(ConfigError, match=re.escape(f"command line: {bad}")):
            extend(run, [bad])
    for other in ("+search.trials=5", "~search.trials", "search=5"):
        with pytest.raises(ConfigError, match=r"only .* may change"):
            extend(run, [other])


@pytest.mark.parametrize("section", [None, 5, [1]])
def test_a_section_of_a_stored_configuration_that_holds_no_keys_is_an_error_and_no_crash(
    tmp_path: Path, section: Any
) -> None:
    values = compose("quintuplet", [f"run.root={tmp_path}", "run.name=old"]).to_dict() | {"cluster": section}
    run = a_stored(tmp_path / "old", values)
    with pytest.raises(ConfigError, match="cluster must hold keys with values"):
        differences(run, extend(run, ["cluster.max_workers=3"]))
