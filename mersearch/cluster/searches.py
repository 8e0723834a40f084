"""Whether the search that a file is to start would start: what can be resolved here is resolved as by `launch`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mersearch.cluster.document import Finding
from mersearch.cluster.launching import launch_findings
from mersearch.config.composition import Composition, composed
from mersearch.config.importing import may_be_imported
from mersearch.config.load import load
from mersearch.errors import ConfigError, raise_all


def require_search(words: Sequence[str]) -> None:
    """Raise where `mersearch launch` would refuse these words, as far as that shows on this machine.

    A search space or an algorithm that is not here may be there, on the cluster: of such a search only the options
    and the keys of the platform are checked. Data are not looked for.

    Args:
        words: SPACE, KEY=VALUE and options, as they stand behind `mersearch launch`.

    Raises:
        ConfigError, Several: as `compose`, or of an option that `launch` has not.
    """
    if words and words[0].startswith("-"):
        raise ConfigError(
            "--search begins with the search space",
            received=words[0],
            fix="as in --search 'quintuplet search.trials=50'",
        )
    space, *overrides = _without_options(words) or [""]
    options = [word for word in words if word.startswith("-")]
    raise_all([_error(finding) for finding in launch_findings(options, 0)])
    found = None if _elsewhere(space) else composed(space, overrides)
    if found is None or not _algorithm_here(found):
        raise_all([_error(finding) for finding in launch_findings(overrides, 0)])
        return
    load(found.values, found.sources, overridden=found.overridden, unsearched=found.unsearched)


def _without_options(words: Sequence[str]) -> list[str]:
    """SPACE and the overrides."""
    return [
        word
        for before, word in zip(("", *words), words, strict=False)
        if not word.startswith("-") and before != "--address"
    ]


def _elsewhere(space: str) -> bool:
    """Whether a search space is a file that is not on this machine."""
    file = Path(space)
    return bool(file.suffix or file.parent.name) and not file.exists()


def _algorithm_here(found: Composition) -> bool:
    algorithm = found.values.get("algorithm")
    name = algorithm.get("name") if isinstance(algorithm, dict) else None
    return not isinstance(name, str) or ":" not in name or may_be_imported(name)


def _error(finding: Finding) -> ConfigError:
    return ConfigError(finding.rule, received=finding.received, fix=finding.fix)
