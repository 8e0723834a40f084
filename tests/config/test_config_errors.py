"""Every mistake in a file or an override is one clear error with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mersearch.config import compose
from mersearch.errors import ConfigError, MersearchError, Several
from tests.config.files import HEAD, SPACE, Write

FIRST = HEAD.count("\n") + 1
"""Line of what a test adds to the head."""


def errors(file: Path | str, *overrides: str) -> list[MersearchError]:
    """What composing raises, each with its text."""
    with pytest.raises(MersearchError, match=r"\S") as caught:
        compose(file, overrides)
    error = caught.value
    found = list(error.errors) if isinstance(error, Several) else [error]
    assert all(isinstance(single, ConfigError) for single in found)
    return found


def text(file: Path | str, *overrides: str) -> str:
    (error,) = errors(file, *overrides)
    return str(error)


@pytest.mark.parametrize(
    ("more", "place", "rule", "received", "fix"),
    [
        ("serach: {}", "", "unknown key serach", "serach", "did you mean search? valid keys: ablation,"),
        (
            "search:\n  trails: 3",
            "+1",
            "unknown key search.trails",
            "trails",
            "did you mean trials? valid keys: concurrency,",
        ),
        (
            "search:\n  trials: many",
            "+1",
            "search.trials must be a whole number ≥ 1",
            "'many'",
            "leave it out for the default, 10",
        ),
        ("search: {trials: 1.5}", "", "search.trials must be a whole number ≥ 1", "1.5", "leave it out"),
        ("search: {trials: true}", "", "search.trials must be a whole number ≥ 1", "True", "leave it out"),
        ("search: {trials: 0}", "", "search.trials must be a whole number ≥ 1", "0", "leave it out"),
        (
            "search: {concurrency: all}",
            "",
            "search.concurrency must be a whole number ≥ 1 and ≤ 10000, or auto",
            "'all'",
            "leave it out for the default, auto",
        ),
        (
            "search: {scheduler: hyperband}",
            "",
            "search.scheduler must be one of asha, race, none",
            "'hyperband'",
            "leave it out",
        ),
        (
            "search: {rungs: [0.5, 2]}",
            "",
            "search.rungs must be a list, each a number > 0 and < 1",
            "[0.5, 2]",
            "leave it out for the default, [0.125, 0.25, 0.5]",
        ),
        ("search: {rungs: [0.5, 0.25]}", "", "search.rungs must increase", "[0.5, 0.25]", ""),
        (
            "search: {race: {alpha: bold}}",
            "",
            "search.race.alpha must be a number > 0 and < 0.5, or one of strict, default, explore",
            "'bold'",
            "leave it out for the default, default",
        ),
        (
            "search: {race: {audit: 2}}",
            "",
            "search.race.audit must be a number ≥ 0 and ≤ 1",
            "2",
            "leave it out",
        ),
        ("search: {race: {rungs: [0.5, 0.5]}}", "", "search.race.rungs must increase", "[0.5, 0.5]", ""),
        (
            "search: {race: {eta: 2}}",
            "",
            "unknown key search.race.eta",
            "eta",
            "did you mean delta? valid keys: alpha,",
        ),
        (
            "exported: {mode: null}",
            "",
            "exported.mode must hold keys with values",
            "None",
            "leave exported: out",
        ),
        ("exported:\n  uf1: '0.5'", "+1", "exported.uf1 must be a number", "'0.5'", "leave exported: out"),
        ("search: 3", "", "search must hold keys with values", "3", "valid keys: concurrency,"),
        ("run: {name: a/b}", "", "run.name must be a plain folder name", "a/b", "letters"),
        (
            "preprocess: {size: 4}",
            "",
            "preprocess.size is at least 8 and at most preprocess.flow_size",
            "4",
            "",
        ),
        ("preprocess: {cahce: x}", "", "unknown key preprocess.cahce", "cahce", "did you mean cache?"),
        ("trial: {gpus: -1}", "", "trial.gpus must be a number ≥ 0, or auto", "-1", "leave it out"),
        (
            "trial: {gpus: 1.5}",
            "",
            "trial.gpus must be a share of one card, up to 1, or a whole number of cards",
            "1.5",
            "trial.gpus=1 or trial.gpus=2",
        ),
        ("search: {startup: 0}", "", "search.startup must be a whole number ≥ 1", "0", "leave it out"),
        ("fixed: 3", "", "fixed must be a list, each text", "3", "list dotted keys"),
        ("fixed: abc", "", "fixed must be a list, each text", "'abc'", "list dotted keys"),
        (
            "fixed: [algorithm.steps, 3]",
            "",
            "fixed must be a list, each text",
            "['algorithm.steps', 3]",
            "list",
        ),
        ("exported: 3", "", "exported must hold keys with values", "3", "leave it out"),
        ("folds: {batch: 8}", "", "folds.batch must be one of fixed, auto", "8", "leave it out"),
        (
            "macro: {database: ckplus, root: null}",
            "",
            "macro.root is required",
            "",
            "give macro.root=… or macro=none",
        ),
        ("space: 3", "", "space must hold keys with values", "3", ""),
        (
            "space: {algorithm: {steps: {choices: []}}}",
            "",
            "space.algorithm.steps is a choice without options",
            "[]",
            "list at least",
        ),
        (
            "space:\n  algorithm:\n    loss:\n      weight: {low: -1, high: 3}",
            "+3",
            "space.algorithm.loss.weight.low contradicts the setting it searches",
            "-1",
            "algorithm.loss.weight must be a number ≥ 0 and ≤ 10",
        ),
        (
            "space: {algorithm: {lsos: {low: 0, high: 3}}}",
            "",
            "unknown key algorithm.lsos",
            "lsos",
            "did you mean loss? valid keys: kind,",
        ),
        (
            "space: {algorithm: {loss: {low: 0, high: 3}}}",
            "",
            "space.algorithm.loss is a group of keys",
            "algorithm.loss",
            "valid keys: macro, margin, weight",
        ),
        (
            "space: {algorithm: {lsos: {weight: {low: 0, high: 3}}}}",
            "",
            "unknown key algorithm.lsos.weight",
            "lsos",
            "did you mean loss?",
        ),
        (
            "space:\n  algorithm:\n    steps: {low: 10, high: 20, when: {algorithm.kind: b}}",
            "+2",
            "space.algorithm.steps.when.algorithm.kind never exists: it needs algorithm.kind = 'b', "
            "which is not searched",
            "algorithm.kind = 'a'",
            "search algorithm.kind, set it, or delete space.algorithm.steps",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(
    write: Write, more: str, place: str, rule: str, received: str, fix: str
) -> None:
    (error,) = errors(write(more))
    assert error.rule == f"mine.yaml:{FIRST + int(place or 0)}: {rule}"
    assert error.received == received
    assert error.fix.startswith(fix)
    assert bool(error.fix) == bool(fix)


def settings(more: str) -> str:
    """The head with settings of the algorithm."""
    return HEAD + "".join(f"  {line}\n" for line in more.splitlines())


@pytest.mark.parametrize(
    ("more", "rule", "received"),
    [
        ("loss: {weight: -0.1}", "algorithm.loss.weight must be a number ≥ 0 and ≤ 10", "-0.1"),
        ("loss: {weight: heavy}", "algorithm.loss.weight must be a number ≥ 0 and ≤ 10", "'heavy'"),
        ("loss: {weight: .inf}", "algorithm.loss.weight must be a number ≥ 0 and ≤ 10", "inf"),
        ("loss: {wieght: 1}", "unknown key algorithm.loss.wieght", "wieght"),
        ("loss: 3", "algorithm.loss must hold keys with values", "3"),
        ("steps: 2.0", "algorithm.steps must be a whole number ≥ 1", "2.0"),
        ("widths: [8, 0]", "algorithm.widths must be a list, each a whole number ≥ 1", "[8, 0]"),
        ("kind: c", "algorithm.kind must be one of a, b", "'c'"),
        ("limit: 0", "algorithm.limit must be a number > 0, or null", "0"),
        ("table: {a: b}", "algorithm.table must be a mapping", "{'a': 'b'}"),
    ],
)
def test_a_wrong_setting_of_the_algorithm_is_told_with_its_line(
    write: Write, more: str, rule: str, received: str
) -> None:
    (error,) = errors(write(head=settings(more)))
    assert (error.rule, error.received) == (f"mine.yaml:{FIRST}: {rule}", received)


def test_what_settings_refuse_together_is_told(write: Write) -> None:
    expected = "mine.yaml:5: algorithm cannot be used: kind b takes at least 10 steps"
    assert text(write(head=settings("kind: b\nsteps: 5"))) == expected


def test_all_mistakes_are_told_together_with_their_places(write: Write) -> None:
    file = write("serach: {}\nspace: {algorithm: {steps: {low: 2, high: 1}, kind: {choices: []}}}\n")
    found = errors(file, "search.trials=abc", "algorithm.loss.weight=-1", "data=casme2", "trial.cpus=0")
    assert [error.rule for error in found] == [
        f"mine.yaml:{FIRST}: unknown key serach",
        f"{_shipped('data/casme2.yaml')}:3: data.root is required",
        "command line: search.trials=abc: search.trials must be a whole number ≥ 1",
        "command line: trial.cpus=0: trial.cpus must be a number ≥ 0.0001 and ≤ 1024",
        "command line: algorithm.loss.weight=-1: algorithm.loss.weight must be a number ≥ 0 and ≤ 10",
        f"mine.yaml:{FIRST + 1}: space.algorithm.steps has low ≥ high",
        f"mine.yaml:{FIRST + 1}: space.algorithm.kind is a choice without options",
    ]


def _shipped(name: str) -> Path:
    return Path(__file__).parents[2] / "search_spaces" / name


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("a b", "command line: a b is not an override"),
        ("search.trials=[1", "command line: search.trials=[1 is not an override"),
        ("=3", "command line: =3 is not an override"),
        ("search.trials=1,2", "command line: search.trials=1,2 lists several values"),
        ("hydra.verbose=true", "command line: hydra.verbose=true is no key of ours"),
        ("foo=1", "command line: foo=1: unknown key foo"),
        ("search.trails=1", "command line: search.trails=1: unknown key search.trails"),
        ("search=3", "command line: search=3: search must hold keys with values"),
        ("data=casme", "command line: data=casme: there is no such data"),
        ("~space.algorithm.x", "command line: ~space.algorithm.x: this cannot be composed"),
        ("search.points={}", "command line: search.points={}: search.points must be a list, each a mapping"),
        ("search.race=[1]", "command line: search.race=[1]: search.race must hold keys with values"),
        (
            "search.concurrency=1000000",
            "command line: search.concurrency=1000000: search.concurrency must be a whole number ≥ 1 and ≤ 10000, "
            "or auto",
        ),
        (
            "trial.gpus=1e-9",
            "command line: trial.gpus=1e-9: trial.gpus must be 0, or a share of a card of 0.0001 or more",
        ),
        ("~foo", "command line: ~foo: this cannot be composed"),
        ("data.root=${nowhere}", "command line: data.root=${nowhere}: data.root cannot be resolved"),
        (
            "algorithm.name=Quintuplet",
            "command line: algorithm.name=Quintuplet: algorithm.name must be module:Class",
        ),
    ],
)
def test_a_mistake_in_an_override_is_told(write: Write, override: str, message: str) -> None:
    (error,) = errors(write(), override)
    assert error.rule == message


@pytest.mark.parametrize(
    ("overrides", "rules"),
    [
        (
            ("search.time_budget=abc", "search.trials=many", "search.rungs=[0.5,0.2]", "search.trails=3"),
            (
                "search.trials must be",
                "unknown key search.trails",
                "search.rungs must",
                "search.time_budget must",
            ),
        ),
        (
            ("search.time_budget=abc", "search.rungs=[0.5,0.2]"),
            ("search.rungs must", "search.time_budget must"),
        ),
        (
            ("data.database=samm", "data.root=null", "macro=ckplus"),
            ("data.root is required", "macro.root is"),
        ),
        (("data.root=null", "data.seed=1"), ("unknown key data.seed", "data.root is required")),
        (("search.second_objective=seconds", "search.scheduler=hyper"), ("search.scheduler must be one of",)),
        (
            ("search.trials=many", "search.points=[{},{},{},{},{},{},{},{},{},{},{}]"),
            ("search.trials must be a",),
        ),
    ],
)
def test_all_wrong_keys_of_a_command_are_told_together(
    write: Write, overrides: tuple[str, ...], rules: tuple[str, ...]
) -> None:
    found = errors(write("search: {}"), *overrides)
    assert len(found) == len(rules)
    for error, rule in zip(found, rules, strict=True):
        assert f": {rule}" in error.rule


def test_a_wrong_override_is_told_what_holds_without_it(write: Write) -> None:
    file = write(f"search: {{trials: 100, time_budget: 2h}}\n{SPACE}")
    assert f"leave it out to keep what mine.yaml:{FIRST} says" in text(file, "search.trials=abc")
    assert "leave it out, and it is searched" in text(file, "algorithm.steps=abc")
    assert "leave it out for the default, auto" in text(file, "search.concurrency=abc")
    assert "leave it out" not in text(file, "search.time_budget=3")


def test_all_overrides_that_cannot_be_read_are_told_together(write: Write) -> None:
    assert [error.received for error in errors(write(), "x=1,2", "hydra.x=1")] == ["x=1,2", "hydra.x=1"]


def test_the_options_of_a_group_are_listed(write: Write) -> None:
    message = text(write(), "data=casme")
    assert (
        "did you mean casme2? options of data: casme2, composite, manifest, megc2019, mmew, samm, sdu, smic"
        in message
    )


def test_an_unknown_group_in_the_file_is_told(write: Write) -> None:
    message = text(write(head="defaults: [{data: nothing}]\n"))
    assert "mine.yaml: there is no data/nothing" in message
    assert "options: casme2, composite, manifest, megc2019, mmew, samm, sdu, smic, synthetic" in message
    assert "mine.yaml: there is no datta/casme2" in text(write(head="defaults: [{datta: casme2}]\n"))


def test_a_missing_value_says_what_to_give(write: Write) -> None:
    message = text(write(), "data=casme2")
    assert "data.root is required" in message
    assert "give data.root=… on the command line" in message


def test_a_file_without_data_or_algorithm_says_so(write: Write) -> None:
    rules = [error.rule for error in errors(write(head="search: {trials: 3}\n"))]
    required = ["data.database", "data.labels", "algorithm.name"]
    assert rules == [f"mine.yaml: {key} is required" for key in required]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "mine.yaml is empty"),
        (b"# only a comment\n", "mine.yaml is empty"),
        (b"a: 1\nb: [1}\n", r"mine\.yaml:2:6: this is not valid YAML"),
        (b"a: 1\n\tb: 2\n", r"mine\.yaml:2:1: this is not valid YAML"),
        (
            b"run: {seed: 1}\nrun: {seed: 2}\n",
            r"mine\.yaml:2:1: this is not valid YAML\n  received: found dup",
        ),
        (b"- a\n- b\n", "mine.yaml does not hold keys with values"),
        (b"\xff\xfe\x00", "mine.yaml is not text in UTF-8"),
        (b"a: \x00\n", "mine.yaml: this is not valid YAML"),
        (b"run: {name: '${'}\n", r"mine\.yaml(:\d+)?: (.|\n)*"),
        (b"defaults: 3\n", "mine.yaml: this cannot be composed"),
    ],
)
def test_a_file_that_is_no_configuration_is_told(write: Write, content: bytes, message: str) -> None:
    file = write()
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        compose(file)


def test_a_group_file_that_is_no_yaml_is_named(write: Write) -> None:
    write(head="a: 1\nb: [1}\n", name="data/mine.yaml")
    with pytest.raises(ConfigError, match=r"data/mine\.yaml:2:6: this is not valid YAML"):
        compose(write(), ["data=mine"])


def test_a_space_that_does_not_exist_is_told(write: Write, tmp_path: Path) -> None:
    write(name="x.yml")
    assert "did you mean quintuplet? shipped search spaces: " in text("quintuplt")
    assert "there is no file nowhere/x.yaml" in text("nowhere/x.yaml")
    assert "is a folder" in text(tmp_path)
    assert "call it x.yaml" in text("x.yml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:X", "the module no_such_module cannot be imported(.|\n)*No module named"),
        ("broken_module:X", "the module broken_module cannot be imported(.|\n)*SyntaxError"),
        ("tests.config.example:Exampel", "Exampel is no class of (.|\n)*did you mean Example?"),
        ("tests.config.example:Bare", "Bare has no dataclass Settings"),
        ("tests.config.example", "must be module:Class"),
        ("3", r"algorithm.name is required"),
    ],
)
def test_an_algorithm_that_cannot_be_imported_is_told(
    write: Write, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = write(head=f"defaults: [{{data: synthetic}}, _self_]\nalgorithm:\n  name: {name}\n")
    with pytest.raises(ConfigError, match=rf"mine\.yaml:3: (.|\n)*{message}"):
        compose(file)
