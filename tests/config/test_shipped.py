from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import yaml

import mersearch
from mersearch.algorithm import settings_from
from mersearch.config import algorithm_class, compose, shipped_spaces
from mersearch.config.load import read_back
from mersearch.errors import ConfigError, Several
from mersearch.space import Choice, Dimension, Int, Space, Value, is_active
from mersearch.space.dimension import show

SPACES = sorted(file.stem for file in shipped_spaces().glob("*.yaml"))
OF_A_DATABASE = [name for name in SPACES if "_" in name]
DISTINCT = [name for name in SPACES if not name.endswith(("_samm", "_mmew", "_sdu"))]
"""The others search the space of CASME II, which a test below says."""


def roots(name: str) -> list[str]:
    """The folders that a space leaves to be given."""
    if name not in OF_A_DATABASE:
        return []
    return ["data.root=micro", *(["macro.root=macro"] if name.startswith("quintuplet") else [])]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as a wheel lays it out, with the search spaces inside."""
    package = tmp_path / "site-packages" / "mersearch"
    package.mkdir(parents=True)
    monkeypatch.setattr(mersearch, "__file__", str(package / "__init__.py"))
    return package


def test_a_checkout_has_the_spaces_beside_the_package() -> None:
    assert shipped_spaces() == Path(mersearch.__file__).resolve().parents[1] / "search_spaces"


def test_an_installed_package_has_the_spaces_inside(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(__file__).parents[2] / "search_spaces", installed / "search_spaces")
    monkeypatch.chdir(tmp_path)
    assert shipped_spaces() == installed / "search_spaces"
    assert compose("quintuplet").run.name == "quintuplet"


def test_an_installation_without_spaces_says_so(installed: Path) -> None:
    with pytest.raises(ConfigError, match="the shipped search spaces are missing"):
        shipped_spaces()


def test_a_file_in_the_current_directory_is_named_with_its_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quintuplet.yaml").write_text("defaults: [quintuplet]\n")
    Path("quintuplet").mkdir()
    assert compose("quintuplet").space.parameters


@pytest.mark.parametrize("name", SPACES)
def test_a_shipped_space_is_headed_and_every_range_has_a_reason(name: str) -> None:
    text = (shipped_spaces() / f"{name}.yaml").read_text()
    assert all(f"# {word}: " in text for word in ("Purpose", "Command", "Cost"))
    config = compose(name, roots(name))
    assert config.run.name == name
    assert config.space.parameters
    for dimension in config.space.parameters:
        assert dimension.why.endswith("."), dimension.path


@pytest.mark.parametrize("name", DISTINCT)
def test_every_point_of_a_shipped_space_makes_settings(name: str) -> None:
    config, rng = compose(name, roots(name)), random.Random(0)
    cls = algorithm_class(config.algorithm.name)
    for _ in range(100):
        point = draw(config.space, rng)
        config.space.validate(point)
        settings_from(cls.Settings, config.with_parameters(point))


@pytest.mark.parametrize("name", ["quintuplet_casme2", "disentangle"])
def test_a_stored_shipped_space_reads_back_in_the_same_order(name: str) -> None:
    given = roots(name)
    parameters = compose(name, given).space.parameters
    conditions = {(path, value) for d in parameters for path, values in d.when.items() for value in values}
    fixing = [[f"{path}={show(value)}"] for path, value in sorted(conditions, key=str)]
    for overrides in ([], [f"~space.{parameters[0].path}"], *fixing):
        config = compose(name, [*given, *overrides])
        values = config.to_dict()
        texts = [yaml.safe_dump(values, sort_keys=sort) for sort in (True, False)]
        for stored in (values, *map(yaml.safe_load, texts)):
            again = read_back(stored)
            assert again == config
            assert again.space.paths == config.space.paths


@pytest.mark.parametrize(
    ("group", "option"),
    [
        (folder.name, file.stem)
        for folder in shipped_spaces().iterdir()
        if folder.is_dir()
        for file in folder.glob("*.yaml")
    ],
)
def test_every_shipped_group_composes(group: str, option: str) -> None:
    several = [f"data.roots.{name}=here" for name in ("casme2", "samm", "smic")]
    places = {"composite": several, "megc2019": several, "synthetic_megc2019": []}
    data = places.get(option, ["data.root=here"])
    folders = {"data": data, "macro": ["macro.root=here"] if option != "none" else []}
    space = option if group == "algorithm" else "quintuplet"
    compose(space, [f"{group}={option}", *folders.get(group, [])])


@pytest.mark.parametrize("base", ["quintuplet", "disentangle"])
def test_the_space_of_a_database_is_the_base_space_on_that_database(base: str) -> None:
    general, full = compose(base), compose(base, ["preprocess=full"]).preprocess
    names = ("casme2", "samm", "mmew", "sdu")
    spaces = [compose(f"{base}_{name}", roots(f"{base}_{name}")) for name in names]
    for name, config in zip(names, spaces, strict=True):
        expected = compose(base, [f"data={name}", "data.root=micro"]).data
        assert (config.run.name, config.data) == (f"{base}_{name}", expected)
        assert config.macro.database == ("ckplus" if base == "quintuplet" else "none")
        assert (config.preprocess, config.algorithm) == (full, general.algorithm)
        assert (config.space, config.search) == (spaces[0].space, spaces[0].search)
    for own, usual in zip(spaces[0].space.parameters, general.space.parameters, strict=True):
        assert (own.path, own.when) == (usual.path, usual.when)
        assert own == usual or own.path.rpartition(".")[2] in ("steps", "lr", "size")


@pytest.mark.parametrize("name", OF_A_DATABASE)
def test_a_space_of_a_database_asks_for_its_folders(name: str) -> None:
    database = name.partition("_")[2]
    rule = rf"data/{database}\.yaml:\d+: data\.root is required\n.*give data\.root=…"
    with pytest.raises((ConfigError, Several), match=rule) as caught:
        compose(name)
    assert ("macro.root is required" in str(caught.value)) == name.startswith("quintuplet")


def draw(space: Space, rng: random.Random) -> dict[str, Value]:
    point: dict[str, Value] = {}
    for dimension in space.parameters:
        if is_active(dimension, point):
            point[dimension.path] = pick(dimension, rng)
    return point


def pick(dimension: Dimension, rng: random.Random) -> Value:
    if isinstance(dimension, Choice):
        return rng.choice(dimension.choices)
    if isinstance(dimension, Int):
        return rng.randrange(dimension.low, dimension.high + 1, dimension.step)
    return rng.uniform(dimension.low, dimension.high)


def test_the_file_in_the_documentation_composes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[2] / "docs" / "search-spaces.md").read_text()
    (tmp_path / "mine.yaml").write_text(document.split("```yaml\n")[1].split("```")[0])
    monkeypatch.chdir(tmp_path)
    config = compose("mine.yaml", ["data.root=x", "macro.root=y"])
    assert config.space.paths[-1] == "algorithm.quintuplet.margin_macro"
    assert (config.search.trials, config.preprocess.frames) == (100, 16)
