"""Fills a shipped cluster file with the answers to its questions.

The shipped files are whole: they hold the default answers, and mark the places of answers at the end of a line.
`#= NAME` replaces the value of the line, `#== NAME` what follows its indentation and sign. Rendering the defaults
gives the shipped file without its marks.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mersearch.cluster.cost import planned
from mersearch.cluster.kinds import FILES, shipped
from mersearch.cluster.machines import machine
from mersearch.cluster.questions import CLOUDS, GROWING, KUBERNETES, Answers, answers, of_kind, spot_workers

_VALUE: Final = re.compile(r"^(?P<before>.*?(?:: |=| -- )).*?  #= (?P<name>\w+)$")
_LINE: Final = re.compile(r"^(?P<before>\s*(?:#\s+(?:Cost: +)?|- )?).*?  #== (?P<name>\w+)$")
_ENDLESS: Final = 30 * 24.0
"""Hours that a RayJob may last where no limit was asked for."""


def render(kind: str, given: Mapping[str, str]) -> str:
    """The file of a kind with these answers, headed by the command that makes it.

    Raises:
        ConfigError, Several: no such kind, answers against a rule, or as `require_search`.
    """
    text = shipped(kind)
    if not of_kind(kind) and not given:
        return _headed(text, f"mersearch cluster render {kind}")
    answered = answers(kind, given)
    if "search" in given:
        from mersearch.cluster.searches import require_search

        require_search(_launch(kind, answered))
    values = _values(kind, answered)
    lines = [_filled(line, values) for line in text.splitlines()]
    flags = [f"--{name} {shlex.quote(answer)}" for name, answer in sorted(given.items())]
    return _headed("\n".join(lines) + "\n", " ".join([f"mersearch cluster render {kind}", *flags]))


def _headed(text: str, command: str) -> str:
    made = f"# Made by: {command}\n"
    first, rest = text.split("\n", 1)
    return f"{first}\n{made}{rest}" if first.startswith("#!") else made + text


def _filled(line: str, values: Mapping[str, str]) -> str:
    for pattern in (_VALUE, _LINE):
        if found := pattern.match(line):
            return found["before"] + values[found["name"]]
    return line


def _values(kind: str, answered: Answers) -> dict[str, str]:
    gpus = int(answered["gpus"])
    values = {
        "name": _quoted(kind, answered["name"]),
        "gpus": str(gpus),
        "max_workers": answered.get("max-workers", "1"),
        "search": answered["search"],
        "cost": planned(kind, answered),
    }
    if kind in GROWING:
        values |= _growing(kind, answered)
    if kind in CLOUDS:
        name, has = machine(kind, answered["machine"], gpus)
        cards = f', "GPU": {gpus}' if gpus else ""
        options = "-o nfsvers=4.1,hard,timeo=600"
        mount = f'sudo mount -t nfs4 {options} "{answered["storage"]}" /mnt/shared'
        values |= {key: f'"{answered[key]}"' for key in ("region", "zone", "project") if key in answered}
        values |= {
            "machine": f'"{name}"',
            "machine_image": f'"{answered["machine-image"]}"',
            "resources": f'{{"CPU": {has.cpus}{cards}}}',
            "mount": f"mountpoint -q /mnt/shared || {mount}",
        }
    elif kind in KUBERNETES:
        cards = f', nvidia.com/gpu: "{gpus}"' if gpus else ""
        label, _, value = answered["spot-label"].partition("=")
        values |= {
            "requests": f'{{cpu: "{answered["cpus"]}", memory: "{answered["memory"]}Gi"{cards}}}',
            "claim": f'{{claimName: "{answered["storage"]}"}}',
            "spot_label": f'{label}: "{value}"',
            "spot_toleration": f"{{key: {label}, operator: Exists, effect: NoSchedule}}",
            "deadline": str(_seconds(answered["hours"] or str(_ENDLESS))),
        }
    else:
        values |= {
            "cpus": answered["cpus"],
            "memory": f"{answered['memory']}G",
            "time": _slurm_time(_seconds(answered["hours"])),
        }
    return values


def _growing(kind: str, answered: Answers) -> dict[str, str]:
    """Values of the clusters that grow: the bounds, the image and the command of the search."""
    launch = " ".join(["mersearch launch", *_launch(kind, answered)])
    around = {**dict.fromkeys(CLOUDS, f"ray exec --tmux {FILES[kind]} '{launch}'"), "raycluster": launch}
    return {
        "min_workers": answered["min-workers"],
        "spot": str(spot_workers(answered)),
        "image": f'"{answered["image"]}"',
        "launch": f'"{launch}"',
        "run": around.get(kind, ""),
    }


def _launch(kind: str, answered: Answers) -> list[str]:
    """The words behind `mersearch launch`; the file of Slurm adds its own when it runs."""
    space, *own = answered["search"].split()
    if kind not in GROWING:
        return [space, *own]
    gpus, most = int(answered["gpus"]), int(answered["max-workers"])
    cpus = machine(kind, answered["machine"], gpus)[1].cpus if kind in CLOUDS else int(answered["cpus"])
    keys = {
        "run.root": "/mnt/shared/runs",
        "preprocess.cache": "/mnt/shared/cache",
        "trial.gpus": f"{min(1, gpus)}",
        "search.concurrency": f"{most * (gpus or cpus)}",
        "cluster.max_workers": f"{most}",
        "cluster.worker_cpus": f"{cpus}",
        "cluster.worker_gpus": f"{gpus}",
    }
    if answered["hours"]:
        keys["search.time_budget"] = _budget(_seconds(answered["hours"]))
    return [space, "--address", "auto", *_unless_given(keys, own), *own]


def _unless_given(keys: Mapping[str, str], own: Sequence[str]) -> Iterator[str]:
    """The words of the keys that the user does not give; slots are left to the search where trials have a size."""
    given = {word.lstrip("+~").partition("=")[0] for word in own}
    if given & {"trial.cpus", "trial.gpus"}:
        given.add("search.concurrency")
    for key, value in keys.items():
        if key not in given:
            yield f"{key}={value}"


def _quoted(kind: str, name: str) -> str:
    return f'"{name}"' if kind in GROWING else name


def _seconds(hours: str) -> int:
    return max(60, round(float(hours) * 3600))


def _budget(seconds: int) -> str:
    """Minutes that leave the search a tenth of the time, at most ten minutes, to end before the cluster does."""
    return f"{max(1, (seconds - min(600, seconds // 10)) // 60)}m"


def _slurm_time(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"
