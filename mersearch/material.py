"""Whether the data hold what every configuration of a search space needs, asked before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from mersearch.algorithm import Algorithm, Shapes, curves, settings_from
from mersearch.config.importing import algorithm_class
from mersearch.config.records import Config
from mersearch.errors import ConfigError, MersearchError, Several, raise_all
from mersearch.space import Choice, Dimension, Value
from mersearch.space.dimension import same, show
from mersearch.training.stages import Alone, shared_stages

Chosen = dict[str, Value]
"""Path → value of some searched parameters; the others are as in the configuration."""
Problem = tuple[str, str, str]
"""Rule, what was received, fix."""
FIXES = {"macro": "give macro=ckplus macro.root=…"}


def require_material(config: Config, shapes: Shapes, macro: bool) -> None:
    """Raise ConfigError unless every configuration of the space finds the views and clips it needs.

    Looked at are the configuration, every choice of the space, every pair of choices, and every point, with all else
    as in the configuration. Each problem is told once, with all choices that are to blame for it: it comes with
    them, or goes with another choice in their place.

    Raises:
        ConfigError: one problem.
        Several: more than one.
    """

    def problems(chosen: Chosen) -> set[Problem]:
        complete = _completed(chosen, config.space.parameters)
        return {(e.rule, e.received, e.fix) for e in _errors(config, complete, shapes, macro)}

    curves(algorithm_class(config.algorithm.name))
    base = problems({})
    blamed: dict[Problem, list[str]] = {problem: [] for problem in sorted(base)}
    singles: list[_Single] = []
    for dimension in config.space.parameters:
        if isinstance(dimension, Choice):
            found = [
                _Single(dimension, value, problems({dimension.path: value})) for value in dimension.choices
            ]
            whatever = base.intersection(*(single.problems for single in found))
            singles += found
            _blame(blamed, ((single.name, single.problems - whatever) for single in found))
    for one, two in combinations(singles, 2):
        if one.goes_with(two) and two.goes_with(one):
            both = problems({one.dimension.path: one.value, two.dimension.path: two.value})
            _blame(blamed, [(f"{one.name} with {two.name}", both - base - one.problems - two.problems)])
    for place, point in enumerate(config.search.points):
        known = set[Problem]().union(base, *(single.problems for single in singles if single.inside(point)))
        _blame(blamed, [(f"search.points.{place}", problems(dict(point)) - known)])
    raise_all([_told(*problem, choices) for problem, choices in blamed.items()])


def _blame(blamed: dict[Problem, list[str]], whom: Iterable[tuple[str, set[Problem]]]) -> None:
    for name, problems in whom:
        for problem in sorted(problems):
            blamed.setdefault(problem, []).append(name)


@dataclass(frozen=True, slots=True)
class _Single:
    """One choice of the space, and what is wrong with it where all else is as in the configuration."""

    dimension: Choice
    value: Value
    problems: set[Problem]

    @property
    def name(self) -> str:
        return f"{self.dimension.path}={show(self.value)}"

    def inside(self, point: Mapping[str, Value]) -> bool:
        """Whether a point has this choice."""
        path = self.dimension.path
        return path in point and same(point[path], self.value)

    def goes_with(self, other: _Single) -> bool:
        """Whether a trial can have both, as far as the conditions of this one say."""
        allowed = self.dimension.when.get(other.dimension.path, (other.value,))
        return self.dimension.path != other.dimension.path and any(
            same(other.value, value) for value in allowed
        )


def _completed(chosen: Chosen, parameters: Iterable[Dimension]) -> Chosen:
    """With the values that make the chosen parameters active."""
    complete = dict(chosen)
    for dimension in reversed(tuple(parameters)):
        if dimension.path in complete:
            complete = {path: allowed[0] for path, allowed in dimension.when.items()} | complete
    return complete


def _errors(
    config: Config, chosen: Mapping[str, Value], shapes: Shapes, macro: bool
) -> Sequence[MersearchError]:
    cls = algorithm_class(config.algorithm.name)
    present = {*shapes.views, *(("macro",) if macro else ())}
    try:
        settings = settings_from(cls.Settings, config.with_parameters(chosen))
    except ValueError as error:
        fix = "leave it out of the space, or change the settings that it contradicts"
        return [ConfigError("settings must go together", received=str(error), fix=fix)]
    try:
        algorithm: Algorithm = cls(settings, shapes)
        if shared_stages(algorithm):
            Alone(algorithm)
    except Several as several:
        return several.errors
    except MersearchError as error:
        return [error]
    missing = sorted(algorithm.needs() - present)
    if not missing:
        return []
    clips = " clips" if "macro" in missing else ""
    return [
        ConfigError(
            f"{config.algorithm.name} needs {' and '.join(missing)}{clips}, which the data do not have",
            received=f"there is {', '.join(sorted(present))}",
            fix=f"{FIXES.get(missing[0], 'prepare that view')}, or turn off the settings that use it "
            "(see docs/manifest.md, 'What the data lack')",
        )
    ]


def _told(rule: str, received: str, fix: str, choices: Sequence[str]) -> ConfigError:
    if not choices:
        return ConfigError(rule, received=received, fix=fix)
    which = "; ".join(choices)
    return ConfigError(
        rule, received=f"{received}, for {which} of the search", fix=f"{fix}; or search without it"
    )
