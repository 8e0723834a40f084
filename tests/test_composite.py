"""Several databases as one: from the configuration to folds, scores of each database, and what a run stores."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mersearch import summary
from mersearch.by_database import of_counts, scores_by_database
from mersearch.config import Config, compose
from mersearch.config.load import read_back
from mersearch.console.text import closing
from mersearch.data.arrays import clip_arrays
from mersearch.data.cache_index import read_index
from mersearch.data.cache_load import load
from mersearch.data.check import check_given, lines
from mersearch.data.folds import People, fold_order, folds
from mersearch.data.labels import label_set
from mersearch.data.readers import MICRO
from mersearch.data.synthetic import synthesize, synthesize_labels
from mersearch.errors import ConfigError, DataError, MersearchError, Several
from mersearch.evaluation import evaluate, only, report
from mersearch.export import export
from mersearch.ledger import ledger_path
from mersearch.metrics import METRICS
from mersearch.opening import Opened, open_run
from mersearch.preparation import read
from mersearch.store import RunDirectory, progress
from tests.jobs import Notebook
from tests.tiny import BASE

SMALL = ["preprocess.frames=2", "preprocess.size=8", "preprocess.flow_size=16", "trial.gpus=0"]
WITHOUT = ["macro=none", "algorithm.quintuplet.macro=false", "algorithm.mask.macro=false"]
PARTS = {"casme2": (145, 24), "samm": (133, 28), "smic": (164, 16)}
"""Clips and subjects of each database in the composite of MEGC 2019."""


def quiet(*_: object) -> None:
    """Takes the progress of what is prepared."""


def configured(roots: dict[str, Path], *more: str, group: str = "composite") -> Config:
    given = [f"data.roots.{name}={root}" for name, root in roots.items()]
    return compose("quintuplet", [f"data={group}", *given, *WITHOUT, *SMALL, *more])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Label files of the published size."""
    base = tmp_path_factory.mktemp("whole")
    return {name: synthesize_labels(base / name, name, seed=5) for name in MICRO}


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three small databases: crops, and whole pictures."""
    base = tmp_path_factory.mktemp("painted")
    for name, layout, seed in (("mmew", "mmew", 3), ("smic", "smic", 4), ("stills", "mmew_macro", 3)):
        synthesize(base / name, layout, subjects=2, clips=6, seed=seed, size=0.2)
    return {name: base / name for name in ("mmew", "smic", "stills")}


@pytest.fixture(scope="module")
def opened(painted: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A finished evaluation of one configuration on two databases together."""
    folder = tmp_path_factory.mktemp("run")
    values = {key: value for key, value in BASE.items() if key not in ("data", "macro")}
    values["defaults"] = [{"data": "composite"}, *[d for d in BASE["defaults"] if "data" not in d]]
    (folder / "one.yaml").write_text(yaml.safe_dump(values))
    roots = [f"data.roots.{name}={painted[name]}" for name in ("smic", "mmew")]
    place = [f"run.root={folder / 'runs'}", "run.name=one", f"preprocess.cache={folder / 'cache'}"]
    config = compose(folder / "one.yaml", [*roots, *place, *WITHOUT, "preprocess.align=auto"])
    ready = open_run(only(config), quiet)
    evaluate(ready, Notebook())
    return ready


def test_the_composite_of_megc2019_has_its_442_clips_of_68_people(whole: dict[str, Path]) -> None:
    config = configured({name: whole[name] for name in PARTS}, group="megc2019")
    micro = read(config, quiet).micro
    assert (len(micro.clips), len(micro.subjects)) == (442, 68)
    assert micro.counts() == micro.expected == {"negative": 250, "positive": 109, "surprise": 83}
    assert {part.name: (len(part.clips), len(part.subjects)) for part in micro.parts} == PARTS
    assert Counter(clip.subject.partition("/")[0] for clip in micro.clips) == {
        name: clips for name, (clips, _) in PARTS.items()
    }
    assert micro.rows == sum(part.rows for part in micro.parts) == 255 + 159 + 164
    for part in micro.parts:
        assert part.counts() == label_set("megc2019", part.name).expected


def test_folds_go_over_the_68_people_and_databases_take_turns(whole: dict[str, Path], tmp_path: Path) -> None:
    config = configured(
        {name: whole[name] for name in PARTS}, f"preprocess.cache={tmp_path}", "preprocess.align=none"
    )
    from mersearch.ready import make_ready

    ready = make_ready(config, quiet)
    plan = ready.study.plan
    assert len(plan) == 68
    assert np.sum(plan.counts, axis=0).tolist() == [250, 109, 83]
    assert {subject.partition("/")[0] for subject in plan.subjects[:3]} == PARTS.keys()
    parts = ready.provenance["data"]["databases"][0]["parts"]
    assert [(part["name"], part["clips"], part["subjects"]) for part in parts] == [
        (name, *PARTS[name]) for name in sorted(PARTS)
    ]


def test_the_order_of_folds_covers_the_classes_of_every_database() -> None:
    names = ("a/0", "a/1", "b/0", "b/1")
    held = [(0, 0, 4), (0, 1, 4), (1, 0, 3), (1, 1, 3), (2, 0, 2), (2, 1, 2), (3, 0, 1), (3, 1, 1)]
    subject, emotion = np.array([[k, y] for k, y, n in held for _ in range(n)]).T
    labels = dataclasses.replace(_labels(len(subject)), subject=subject, emotion=emotion)
    order = fold_order(labels, names)
    totals = {"a": 7, "b": 3}
    clips = {names[k]: n for k, _, n in held}

    def covered(chosen: tuple[str, ...]) -> float:
        return sum(2 * (sum(clips[n] for n in chosen if n[0] == d) / totals[d]) ** 0.5 for d in totals)

    for place in range(1, 4):
        best = max(covered((*order[: place - 1], other)) for other in set(names) - set(order[: place - 1]))
        assert covered(order[:place]) == pytest.approx(best)
    assert {name[0] for name in order[:2]} == {"a", "b"}
    assert fold_order(labels, ("a/0", "a/1", "a/2", "a/3")) == ("a/0", "a/1", "a/2", "a/3")


def _labels(clips: int) -> Any:
    from mersearch.algorithm import Labels

    nothing = np.zeros(clips, np.int64)
    return Labels(nothing, nothing, np.zeros((clips, 16), bool), np.zeros(clips, bool))


def test_the_order_in_which_databases_are_named_changes_nothing(whole: dict[str, Path]) -> None:
    names = [("smic", "casme2"), ("casme2", "smic")]
    one, other = (read(configured({n: whole[n] for n in order}), quiet).micro for order in names)
    assert one == other
    assert one.name == "casme2+smic"


def test_no_fold_with_mmew_among_its_databases_trains_on_a_still_of_its_subject(
    painted: dict[str, Path], tmp_path: Path
) -> None:
    from mersearch.ready import make_ready

    stills = ["macro=mmew_macro", f"macro.root={painted['stills']}", "preprocess.align=none"]
    config = configured(
        {name: painted[name] for name in ("smic", "mmew")}, f"preprocess.cache={tmp_path}", *stills
    )
    study = make_ready(config, quiet).study
    dataset = load(study.micro, study.macro)
    people = People.of(dataset)
    left_out = {fold.subject: len(people.macro) - len(fold.macro) for fold in folds(dataset)}
    for fold in folds(dataset):
        assert fold.subject not in {people.macro[position] for position in fold.macro}
        assert left_out[fold.subject] == people.macro.count(fold.subject)
    assert {subject: bool(count) for subject, count in left_out.items()} == {
        "mmew/S01": True,
        "mmew/S02": True,
        "smic/s01": False,
        "smic/s02": False,
    }


def test_crops_and_whole_pictures_are_each_treated_as_what_they_are(opened: Opened) -> None:
    index = read_index(opened.study.micro)
    assert index.settings["align"] == {"mmew": "haar", "smic": "none"}
    micro = read(opened.config, quiet).micro
    rgb = load(opened.study.micro).micro.rgb
    assert rgb is not None
    rows = {clip.clip_id: row for row, clip in enumerate(micro.clips)}
    for part, method in zip(micro.parts, ("haar", "none"), strict=True):
        clip = part.clips[0]
        arrays = clip_arrays(clip, opened.config.preprocess, method)
        assert np.array_equal(rgb[rows[clip.clip_id]], arrays.rgb)


def naive(run: RunDirectory, database: str) -> dict[str, float]:
    """Scores over the clips of one database, clip by clip from the log of the folds."""
    counts = np.zeros((3, 3))
    for line in (run.path / "folds.jsonl").read_text().splitlines():
        fold = json.loads(line)
        for clip, label, logits in zip(fold["clips"], fold["labels"], fold["logits"], strict=True):
            if clip.startswith(f"{database}/"):
                counts[label, int(np.argmax(logits))] += 1
    return {name: METRICS[name](counts) for name in METRICS}


def test_each_database_is_scored_by_the_predictions_that_are_pooled(opened: Opened) -> None:
    trial = opened.run.read().trials[0]
    found = scores_by_database(trial)
    assert found == {name: naive(opened.run, name) for name in ("mmew", "smic")}
    sizes = np.array([sum(row) for row in opened.run.plan.counts])
    of_mmew = np.array([subject.startswith("mmew/") for subject in opened.run.plan.subjects])
    accuracy = METRICS["accuracy"](trial.confusions[-1])
    shares = (
        found["mmew"]["accuracy"] * sizes[of_mmew].sum() + found["smic"]["accuracy"] * sizes[~of_mmew].sum()
    )
    assert accuracy == pytest.approx(shares / sizes.sum())


def test_scores_of_each_database_stand_wherever_the_pooled_one_does(opened: Opened, tmp_path: Path) -> None:
    run, state = opened.run, opened.run.read()
    found = scores_by_database(state.trials[0])
    best = summary.facts(run, state)["best"]
    assert best["databases"] == found
    (file,) = export(run, folder=tmp_path).files
    exported = yaml.safe_load(file.read_text())["exported"]
    assert exported["databases"] == found
    assert exported["corrected"]["databases"]["naive"] == found
    assert set(exported["corrected"]["databases"]["corrected"]["smic"]) == set(METRICS)
    shown = progress(state, metric="uf1", planned=1)
    told = [
        summary.text(run, state),
        report(opened, state.trials[0], file, trained=True),
        closing(shown, run=run.path, best=state.trials[0], seconds=1.0),
    ]
    for text, name in itertools.product(told, found):
        words = f"{name}  UF1 {found[name]['uf1']:.3f}, UAR {found[name]['uar']:.3f}, accuracy"
        assert any(words in line for line in text), text


def test_a_single_database_has_no_scores_beside_its_own() -> None:
    assert of_counts(["a/0", "a/1"], np.ones((2, 3, 3))) == {}
    assert of_counts(["0", "1"], np.ones((2, 3, 3))) == {}


def test_a_run_goes_on_where_the_databases_of_its_composite_have_moved(
    opened: Opened, painted: dict[str, Path], tmp_path: Path
) -> None:
    moved = shutil.copytree(painted["smic"], tmp_path / "elsewhere")
    data = dataclasses.replace(opened.config.data, roots={**opened.config.data.roots, "smic": str(moved)})
    again = open_run(dataclasses.replace(opened.config, data=data), quiet)
    assert not again.new
    assert any(remark.startswith("data.roots.smic: ") for remark in again.remarks)


def test_a_composite_has_a_ledger_of_its_own(opened: Opened) -> None:
    assert ledger_path(opened.run).is_file()
    assert ledger_path(opened.run).name.endswith("-megc2019.jsonl")


def test_a_stored_composite_reads_back(whole: dict[str, Path]) -> None:
    config = configured({name: whole[name] for name in PARTS}, group="megc2019")
    assert read_back(yaml.safe_load(yaml.safe_dump(config.to_dict()))) == config
    assert config.data.folders == {name: str(whole[name]) for name in sorted(PARTS)}


def test_every_folder_of_megc2019_is_asked_for() -> None:
    with pytest.raises(Several, match=r"roots\.casme2 is required(?s:.*)roots\.samm(?s:.*)roots\.smic is"):
        compose("quintuplet", ["data=megc2019", *WITHOUT])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data=composite", "data.roots.smic=x"],
            "data.roots names the databases of a composite, two or more",
        ),
        (["data=composite", "data.root=x"], "data.roots names the databases of a composite"),
        (
            ["data=casme2", "data.root=x", "data.roots.smic=x"],
            "data.roots belongs to data.database=composite",
        ),
        (["data=composite", "data.roots.smic=3", "data.roots.samm=x"], "data.roots must be a mapping"),
        (
            ["data=composite", "data.roots.a=x", "data.roots.b=x", "data.synthetic.layout=smic"],
            "data.synthetic is of a single database",
        ),
    ],
)
def test_a_composite_that_is_none_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose("quintuplet", [*overrides, *WITHOUT])


def test_what_is_wrong_with_several_databases_is_told_together(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    config = configured({"casme2": tmp_path / "a", "smic": tmp_path / "b", "samm": whole["samm"]})
    with pytest.raises(Several, match=r"the root of CASME II(?s:.*)the root of SMIC"):
        read(config, quiet)


def test_databases_without_a_common_label_set_are_refused(whole: dict[str, Path]) -> None:
    config = configured({name: whole[name] for name in ("casme2", "mmew")}, "data.labels=casme2-5")
    with pytest.raises(ConfigError, match=r"has the label set casme2-5(?s:.*)mmew without it"):
        read(config, quiet)
    with pytest.raises(DataError, match=r"is one of: casme2, manifest, mmew(?s:.*)'sdu'"):
        read(configured({"casme2": whole["casme2"], "sdu": whole["mmew"]}), quiet)


def test_data_check_tells_of_a_composite_and_of_its_parts(whole: dict[str, Path]) -> None:
    given = [f"{name}={whole[name]}" for name in PARTS]
    facts = check_given("megc2019", given)
    assert (facts.clips, facts.subjects) == (442, 68)
    assert {part.database: (part.clips, part.subjects) for part in facts.parts} == PARTS
    text = lines(facts)
    assert max(map(len, text)) <= 80
    assert any("samm" in line and "133 clips of 28 subjects (negative 92" in line for line in text)
    assert check_given("composite", given) == facts


@pytest.mark.parametrize("given", [["casme2=x"], ["x", "y"], ["casme2=x", "casme2=y"], ["casme2=", "smic=y"]])
def test_data_check_of_a_composite_wants_a_folder_for_each(given: list[str]) -> None:
    with pytest.raises(MersearchError, match="a composite has two or more databases, each once"):
        check_given("composite", given)
    with pytest.raises(ConfigError, match="a database has one folder"):
        check_given("casme2", ["x", "y"])
