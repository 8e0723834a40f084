"""Readers by name, and the same contract for each of them and for every release of its database."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clip_tables import pictures, write_pictures, write_table
from hypothesis import given, settings
from hypothesis import strategies as st

from mersearch.data.labels import label_set, label_sets
from mersearch.data.readers import MACRO, MICRO, read_macro, read_micro
from mersearch.data.synthetic import LAYOUTS, synthesize, synthesize_labels
from mersearch.data.synthetic.label_files import write_labels
from mersearch.data.synthetic.plan import ClipPlan, Order
from mersearch.data.table import Clip, Database
from mersearch.errors import DataError

RELEASES = [(name, release) for name, layout in LAYOUTS.items() for release in layout.releases]
PEOPLE = {"mmew_macro": "mmew"}
"""Databases whose people bear the name of another one's."""


def read(name: str, root: Path, labels: str | None = None) -> Database:
    if name in MACRO:
        return read_macro(name, root)
    return read_micro(name, root, labels or label_sets(name)[0])


@dataclass
class Made:
    """Generated databases, each written once."""

    folder: Path
    known: dict[tuple[str, str], Path] = field(default_factory=dict)

    def root(self, name: str, release: str) -> Path:
        """Of the published size, with frames that show nothing; CK+ is small, and painted."""
        if (name, release) not in self.known:
            out = self.folder / name / release
            if name == "ckplus":
                synthesize(out, name, subjects=4, clips=20, seed=5, size=0.4)
            else:
                synthesize_labels(out, name, release=release, seed=5)
            self.known[name, release] = out
        return self.known[name, release]

    def plans(self, name: str, release: str) -> dict[str, ClipPlan]:
        """What the generator meant, by clip id."""
        whole = name != "ckplus"
        order = Order(4, None if whole else 20, 5, 1.0, quirks=True, size=0.4, release=release, full=whole)
        return {f"{name}/{clip.key}": clip for clip in LAYOUTS[name].plan(order)}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return Made(tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="module", params=RELEASES, ids="-".join)
def which(request) -> tuple[str, str]:
    return request.param


@pytest.fixture(scope="module")
def database(which, made) -> Database:
    return read(which[0], made.root(*which))


def numbers(clip: Clip) -> list[int]:
    """Frame numbers by the names of the files."""
    return [int(re.findall(r"\d+", path.stem)[-1]) for path in clip.frames]


def keeps_the_rules(database: Database) -> None:
    ids = [clip.clip_id for clip in database.clips]
    assert ids
    assert len(set(ids)) == len(ids)
    people = PEOPLE.get(database.name, database.name)
    gaps = {note.clip_id for note in database.repaired if "stands in" in note.reason}
    for clip in database.clips:
        assert 0 <= clip.onset <= clip.apex <= clip.offset == len(clip.frames) - 1
        name, subject, _ = clip.clip_id.split("/")
        assert name == clip.database == database.name
        assert clip.subject == f"{people}/{subject}"
        assert clip.emotion in database.classes
        assert clip.emotion == clip.emotion.lower()
        first = numbers(clip)[0]
        expected = list(range(first, first + len(clip.frames)))
        assert clip.clip_id in gaps or numbers(clip) == expected
        assert numbers(clip) == sorted(numbers(clip))
    assert sum(database.counts().values()) == len(database.clips)
    rows = [note for note in database.dropped if not note.reason.startswith("no row in")]
    assert len(database.clips) + len(rows) == database.rows
    assert all(note.reason for note in database.dropped + database.repaired)
    assert re.fullmatch(r"[0-9a-f]{64}", database.label_hash)


def test_every_clip_keeps_the_rules_of_the_table_and_every_row_is_a_clip_or_a_note(database):
    keeps_the_rules(database)
    assert all(path.is_file() for clip in database.clips for path in clip.frames)


def test_reading_twice_gives_the_same(database, which, made):
    assert read(which[0], made.root(*which)) == database


def test_what_is_read_is_what_the_generator_meant(which, made):
    name, release = which
    widest = label_sets(name)[-1] if name in MACRO else {"casme2": "casme2-7", "samm": "samm-8"}.get(name)
    widest = widest or {"mmew": "mmew-7", "smic": "smic-3"}[name]
    database, plans = read(name, made.root(name, release), widest), made.plans(name, release)
    chosen = label_set(widest)
    repaired = {note.clip_id for note in database.repaired}
    for clip in database.clips:
        plan = plans[clip.clip_id]
        assert clip.emotion == chosen.emotion(plan.emotion)
        odd = clip.clip_id in ("casme2/05/EP09_05f", "casme2/05/EP16_04f")
        assert odd or clip.clip_id in repaired or clip.apex == plan.apex
        assert len(clip.frames) == plan.length
        if clip.action_units is not None:
            assert clip.action_units == tuple(sorted({unit.number for unit in plan.units}))
    unlabelled = {key for key, plan in plans.items() if plan.emotion is None}
    assert {clip.clip_id for clip in database.clips} == plans.keys() - unlabelled


COUNTS = {
    ("casme2", "casme2-5"): (255, 246, 26),
    ("casme2", "casme2-7"): (255, 255, 26),
    ("casme2", "megc2019"): (255, 145, 24),
    ("samm", "samm-5"): (159, 136, 27),
    ("samm", "samm-8"): (159, 159, 29),
    ("samm", "megc2019"): (159, 133, 28),
    ("mmew", "mmew-4"): (300, 263, 30),
    ("mmew", "mmew-6"): (300, 234, 30),
    ("mmew", "mmew-7"): (300, 300, 30),
    ("mmew", "megc2019"): (300, 234, 30),
    ("smic", "smic-3"): (164, 164, 16),
    ("smic", "megc2019"): (164, 164, 16),
    ("mmew_macro", "mmew-macro-6"): (900, 900, 30),
}
"""Database and label set → clips annotated, clips of the set, their subjects, in the published label files."""


@pytest.mark.parametrize(("name", "labels"), COUNTS, ids="-".join)
def test_label_files_of_the_published_size_give_the_published_counts(name, labels, made):
    for release in LAYOUTS[name].releases:
        database = read(name, made.root(name, release), labels)
        found = (database.rows, len(database.clips), len(database.subjects))
        assert found == COUNTS[name, labels]
        assert database.counts() == database.expected == label_set(labels, name).expected


def test_every_label_set_has_its_counts():
    assert COUNTS.keys() | {("ckplus", "ckplus-7")} == {
        (name, labels) for name in (*MICRO, *MACRO) for labels in label_sets(name)
    }


def test_the_three_databases_of_megc2019_make_its_442_clips_of_68_people(made):
    parts = [
        read(name, made.root(name, LAYOUTS[name].releases[0]), "megc2019")
        for name in ("casme2", "samm", "smic")
    ]
    assert len({clip.subject for part in parts for clip in part.clips}) == 68
    assert sum((Counter(part.counts()) for part in parts), Counter()) == {
        "negative": 250,
        "positive": 109,
        "surprise": 83,
    }
    assert {part.classes for part in parts} == {("negative", "positive", "surprise")}


def test_the_people_of_mmew_that_stand_out_are_there(made):
    clips = read("mmew", made.root("mmew", "emotion-first"), "mmew-7").clips
    sizes = Counter(clip.subject for clip in clips)
    assert (sizes["mmew/S30"], max(sizes.values())) == (38, 38)
    assert {clip.emotion for clip in clips if clip.subject == "mmew/S29"} == {"surprise"}


@settings(max_examples=25)
@given(
    which=st.sampled_from([pair for pair in RELEASES if pair[0] != "ckplus"]),
    seed=st.integers(0, 10**6),
    subjects=st.integers(2, 6),
    more=st.integers(0, 12),
    quirks=st.booleans(),
)
def test_any_generated_database_reads_back(tmp_path_factory, which, seed, subjects, more, quirks):
    name, release = which
    root = tmp_path_factory.mktemp("any")
    order = Order(subjects, 3 * subjects + more, seed, 1.0, quirks, 1.0, release)
    write_labels(root, name, order)
    database, meant = read(name, root), LAYOUTS[name].plan(order)
    keeps_the_rules(database)
    assert database.rows == len(meant) == 3 * subjects + more
    chosen = label_set(label_sets(name)[0])
    wanted = Counter(chosen.emotion(clip.emotion or "") for clip in meant)
    assert database.counts() == {label: wanted[label] for label in chosen.classes}
    assert quirks or not [note for note in database.repaired if "no apex" not in note.reason]


def test_painted_clips_are_read_as_the_truth_beside_them_says(tmp_path):
    for name in ("samm", "mmew", "smic"):
        root = synthesize(tmp_path / name, name, subjects=2, clips=4, seed=1, size=0.25)
        lines = (root / "truth" / "clips.jsonl").read_text().splitlines()
        truth = {f"{name}/{record['clip']}": record for record in map(json.loads, lines)}
        for clip in read(name, root).clips:
            assert len(clip.frames) == truth[clip.clip_id]["offset"] - truth[clip.clip_id]["onset"] + 1


def test_a_manifest_of_pictures_keeps_the_same_rules(tmp_path):
    rows = [
        {"subject": f"{n:02d}", "emotion": ("joy", "fear")[n % 2], "frames": f"film/{n}", "onset": 3 + n}
        for n in range(4)
    ]
    for n, row in enumerate(rows):
        write_pictures(tmp_path / row["frames"], pictures(8), first=3 + n)
    database = read_micro("manifest", write_table(tmp_path / "manifest.csv", rows), "derived")
    keeps_the_rules(database)
    assert read_micro("manifest", tmp_path, "derived") == database
    assert [numbers(clip)[0] for clip in database.clips] == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("name", "release", "aligned"),
    [
        ("casme2", "2014", True),
        ("samm", "v2", False),
        ("mmew", "emotion-first", False),
        ("smic", "cropped", True),
        ("smic", "raw", False),
        ("smic", "long", False),
        ("ckplus", "2010", False),
        ("mmew_macro", "subject-first", False),
    ],
)
def test_crops_are_aligned_and_whole_pictures_are_not(name, release, aligned, made):
    assert read(name, made.root(name, release)).aligned is aligned


@pytest.mark.parametrize(
    ("name", "meant"), [("casme-2", "casme2"), ("CASME2", "casme2"), ("casmeii", "casme2"), ("Samm", "samm")]
)
def test_an_unknown_micro_database_gets_a_suggestion(tmp_path, name, meant):
    with pytest.raises(DataError, match=rf"is one of: casme2, manifest, mmew(?s:.*)did you mean {meant}\?"):
        read_micro(name, tmp_path, "casme2-5")


@pytest.mark.parametrize("name", ["CK+", "ck+", "ckplus7"])
def test_an_unknown_macro_database_gets_a_suggestion(tmp_path, name):
    with pytest.raises(DataError, match=r"is one of: ckplus(?s:.*)did you mean ckplus\?"):
        read_macro(name, tmp_path)


def test_a_name_like_no_other_lists_the_valid_ones(tmp_path):
    with pytest.raises(DataError, match="use one of these names"):
        read_macro("zzz", tmp_path)


def test_a_label_set_of_another_database_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"casme2-5, casme2-7, megc2019(?s:.*)belongs to ckplus"):
        read_micro("casme2", tmp_path, "ckplus-7")
    with pytest.raises(DataError, match=r"mmew-4, mmew-6, mmew-7, megc2019(?s:.*)belongs to smic"):
        read_micro("mmew", tmp_path, "smic-3")


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("casme2", ("ckplus", "2010"), r"it looks like CK\+ \(reader ckplus\)"),
        ("ckplus", ("casme2", "2014"), r"it looks like CASME II \(reader casme2\)"),
        ("samm", ("mmew", "emotion-first"), r"it looks like MMEW \(reader mmew\)"),
        ("mmew", ("samm", "v2"), r"it looks like SAMM \(reader samm\)"),
        (
            "mmew",
            ("mmew_macro", "subject-first"),
            r"it looks like the macro half of MMEW \(reader mmew_macro\)",
        ),
        ("mmew_macro", ("mmew", "emotion-first"), r"it looks like MMEW \(reader mmew\)"),
        ("smic", ("samm", "v2"), r"it looks like SAMM \(reader samm\)"),
        ("casme2", ("smic", "cropped"), r"it looks like SMIC \(reader smic\)"),
    ],
)
def test_one_database_given_as_another_is_recognised(made, name, given, told):
    with pytest.raises(DataError, match=told):
        read(name, made.root(*given))
