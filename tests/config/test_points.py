"""`search.points`: what they may be, and what they are stored as."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mersearch.config import Ablation, compose
from mersearch.config.load import read_back
from mersearch.errors import ConfigError, Several
from tests.config.files import HEAD, SPACE, Write

POINTS = """\
search:
  points:
    - algorithm.steps: 20
      algorithm.loss.weight: 1
    - {algorithm.loss.macro: true, algorithm.loss.margin: 0.25}
    - {algorithm.limit: 2, algorithm.kind: a}
"""
FIRST = (HEAD + SPACE).count("\n") + 4
"""Line of the first point after `trials`."""


def test_points_are_held_as_the_fields_hold_them_without_what_changes_nothing(write: Write) -> None:
    points = compose(write(SPACE + POINTS)).search.points
    assert points == (
        {"algorithm.steps": 20, "algorithm.loss.weight": 1.0},
        {"algorithm.loss.macro": True, "algorithm.loss.margin": 0.25},
        {"algorithm.limit": 2.0},
    )
    assert [type(value) for value in points[0].values()] == [int, float]


def test_a_configuration_with_points_and_their_names_reads_back_the_same(
    write: Write, tmp_path: Path
) -> None:
    more = "ablation: {variants: [full, − a part, − another], exported: 'run, trial 3'}\n"
    config = compose(write(SPACE + POINTS + more))
    assert config.ablation == Ablation(("full", "− a part", "− another"), (), "run, trial 3")
    stored = yaml.safe_dump(config.to_dict(), allow_unicode=True)
    assert read_back(yaml.safe_load(stored)) == config
    (tmp_path / "stored.yaml").write_text(stored)
    assert compose(tmp_path / "stored.yaml") == config
    pinned = config.pinned({})
    assert (pinned.search.points, pinned.ablation) == ((), None)


def test_a_configuration_without_points_is_stored_as_it_was_before_there_were_points(write: Write) -> None:
    stored = compose(write(SPACE)).to_dict()
    assert "points" not in stored["search"]
    assert "ablation" not in stored


def test_points_can_be_given_on_the_command_line(write: Write) -> None:
    points = "search.points=[{algorithm.steps: 20}, {algorithm.kind: a}]"
    assert compose(write(SPACE), [points]).search.points == ({"algorithm.steps": 20}, {})
    with pytest.raises(ConfigError, match=r"^command line: search\.points=.*: search\.points\.0\.algorithm"):
        compose(write(SPACE), ["search.points=[{algorithm.steps: 200}]"])


@pytest.mark.parametrize(
    ("points", "line", "rule", "fix"),
    [
        (["algorithm.stesp: 20"], 0, "unknown key algorithm.stesp", "did you mean steps?"),
        (["algorithm.loss: 1"], 0, "search.points.0.algorithm.loss is a group of keys", "valid keys: macro"),
        (["run.seed: 1"], 0, "search.points.0.run.seed cannot be set by a point", "points hold settings"),
        (["algorithm.name: x"], 0, "search.points.0.algorithm.name cannot be set by a point", "points"),
        (["algorithm.widths: [3]"], 0, "search.points.0.algorithm.widths may be a number, text,", ""),
        (
            ["algorithm.steps: 20", "algorithm.limit: -1"],
            1,
            "search.points.1.algorithm.limit must be a number > 0, or null",
            "",
        ),
        (
            ["algorithm.steps: 41"],
            0,
            "search.points.0.algorithm.steps lies outside of what is searched",
            "algorithm.steps is a whole number from 10 to 40; widen space.algorithm.steps",
        ),
        (
            ["algorithm.loss.margin: 0.5"],
            0,
            "search.points.0.algorithm.loss.margin exists only where algorithm.loss.macro = true",
            "name that in the point",
        ),
        (
            ["algorithm.steps: 20", "algorithm.steps: 21", "{algorithm.steps: 20, algorithm.kind: a}"],
            2,
            "search.points.2 repeats point 0",
            "list every point once",
        ),
        (
            ["algorithm.steps: 12", "{algorithm.kind: c, algorithm.steps: 20}"],
            1,
            "search.points.1.algorithm.kind must be one of a, b",
            "",
        ),
    ],
)
def test_a_wrong_point_is_told_with_its_line(
    write: Write, points: list[str], line: int, rule: str, fix: str
) -> None:
    text = "".join(f"    - {point}\n" for point in points)
    with pytest.raises(ConfigError, match=r"^mine\.yaml:\d+: ") as caught:
        compose(write(f"{SPACE}search:\n  trials: 10\n  points:\n{text}"))
    assert caught.value.rule.startswith(f"mine.yaml:{FIRST + line}: {rule}")
    assert caught.value.fix.startswith(fix)


def test_all_wrong_points_are_told_together(write: Write) -> None:
    more = "search:\n  points: [{algorithm.steps: 41}, {run.seed: 1, algorithm.limit: no}]\n"
    with pytest.raises(Several, match=r"outside(.|\n)*cannot be set(.|\n)*limit must be") as caught:
        compose(write(SPACE + more))
    assert len(caught.value.errors) == 3


def test_what_settings_refuse_together_is_told_of_a_point_that_leaves_nothing_open(write: Write) -> None:
    head = HEAD + "  steps: 5\n"
    with pytest.raises(ConfigError, match=r"^mine\.yaml:\d+: search\.points\.0 cannot be used: kind b takes"):
        compose(write("search: {points: [{algorithm.kind: b}]}\n", head=head))
    assert compose(write(SPACE + "search: {points: [{algorithm.kind: b}]}\n", head=head)).search.points


def test_a_point_may_not_contradict_an_override(write: Write) -> None:
    file = write(SPACE + POINTS)
    with pytest.raises(ConfigError, match=r"points\.0\.algorithm\.steps contradicts an override"):
        compose(file, ["algorithm.steps=30"])
    assert compose(file, ["algorithm.steps=20"]).search.points[0] == {"algorithm.loss.weight": 1.0}


def test_there_are_at_least_as_many_trials_as_points(write: Write) -> None:
    message = r"^command line: search\.trials=2: search\.trials must cover every point"
    with pytest.raises(ConfigError, match=message):
        compose(write(SPACE + POINTS), ["search.trials=2"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ablation: 3", r"mine\.yaml:\d+: ablation must hold keys with values"),
        ("ablation: {already_off: [x]}", r"mine\.yaml:\d+: ablation\.variants is required"),
        ("ablation: {variants: [full]}", r"mine\.yaml:\d+: ablation\.variants must name every point"),
    ],
)
def test_names_that_do_not_fit_the_points_are_told(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(write(text + "\n"))
