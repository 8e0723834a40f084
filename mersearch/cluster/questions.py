"""What a cluster file asks its user, with the rule of every answer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mersearch import __version__
from mersearch.cluster.forms import CLAIM, NFS, REGIONS, ZONE, Form, lies_in
from mersearch.errors import ConfigError, raise_all
from mersearch.space.problem import did_you_mean

CHANGE_ME: Final = "CHANGE-ME"
"""Stands where nobody but the user knows the value; `check` lists the places."""
CLOUDS: Final = ("aws", "gcp")
KUBERNETES: Final = ("rayjob", "raycluster")
SLURM: Final = ("slurm", "slurm-nodes")
GROWING: Final = (*CLOUDS, *KUBERNETES)
ANSWERED: Final = (*GROWING, *SLURM)
LEAST_HOURS: Final = 0.1
"""Of a job of Slurm; a shorter one would be told to stop as soon as it starts, and queue again for ever."""
Answers = Mapping[str, str]
"""Question → answer, for every question of a kind."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        text: the question, as `--help` and `--ask` show it.
        defaults: kind → answer of who gives none; the question is for these kinds only.
        pattern: what the whole answer must match.
        rule: the pattern in words.
        example: an answer that is taken.
        forms: kind → the three, of a question whose answer looks another way for each kind.
    """

    text: str
    defaults: Mapping[str, str]
    pattern: str = ""
    rule: str = ""
    example: str = ""
    forms: Mapping[str, Form] = field(default_factory=dict)

    def form(self, kind: str) -> Form:
        """How the answer for a kind must look."""
        return self.forms.get(kind) or Form(self.pattern, self.rule, self.example)


def _same(kinds: tuple[str, ...], default: str) -> dict[str, str]:
    return dict.fromkeys(kinds, default)


_COUNT: Final = (r"[1-9]\d{0,3}", "a whole number from 1 to 9999")
_FROM_ZERO: Final = (r"0|[1-9]\d{0,3}", "a whole number from 0 to 9999")
_WORD: Final = (r"[\w./:@=+-]+", "one word of letters, digits and . / : @ = + -")

QUESTIONS: Final[Mapping[str, Question]] = {
    "search": Question(
        "The search: SPACE and KEY=VALUE, as launch takes them.",
        _same(ANSWERED, "quintuplet"),
        r"[\w./:=,@+-]+( [\w./:=,@+-]+)*",
        "words of letters, digits and . / : = , @ + -",
        "quintuplet_casme2 data.root=/mnt/shared/CASME2",
    ),
    "gpus": Question(
        "Cards of each worker; 0 trains on processors.",
        _same(ANSWERED, "1"),
        *_FROM_ZERO,
        "1",
    ),
    "max-workers": Question(
        "Workers at most; on Slurm, nodes.",
        _same((*GROWING, "slurm-nodes"), "4"),
        *_COUNT,
        "4",
    ),
    "min-workers": Question(
        "Workers that never go, on demand.",
        _same(GROWING, "0"),
        *_FROM_ZERO,
        "0",
    ),
    "spot": Question(
        "Workers on spot machines at most; all but one by default.",
        _same(GROWING, ""),
        rf"|{_FROM_ZERO[0]}",
        _FROM_ZERO[1],
        "3",
    ),
    "hours": Question(
        "Hours after which the search ends or, on Slurm, queues again.",
        {**_same(GROWING, ""), **_same(SLURM, "24")},
        r"|0?\.\d*[1-9]\d*|[1-9]\d{0,4}(\.\d+)?",
        "a number of hours above 0 and below 100000",
        "12",
    ),
    "name": Question(
        "Name of the cluster or job.",
        _same(ANSWERED, "mersearch"),
        r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?",
        "up to 40 small letters, digits and hyphens, a letter first",
        "mersearch",
    ),
    "image": Question(
        "Image with the package, built from the shipped Dockerfile.",
        _same(GROWING, f"{CHANGE_ME}/mersearch:{__version__}"),
        *_WORD,
        "registry.example.org/mersearch:0.1.0",
    ),
    "storage": Question(
        "Shared storage: NFS HOST:/PATH of a cloud, a claim of Kubernetes.",
        {**_same(CLOUDS, f"{CHANGE_ME}:/"), **_same(KUBERNETES, "mersearch-shared")},
        forms={**dict.fromkeys(CLOUDS, NFS), **dict.fromkeys(KUBERNETES, CLAIM)},
    ),
    "cpus": Question("Cores of each worker.", _same((*KUBERNETES, *SLURM), "4"), *_COUNT, "4"),
    "memory": Question("GiB of each worker.", _same((*KUBERNETES, *SLURM), "16"), *_COUNT, "16"),
    "spot-label": Question(
        "Label of spot machines, KEY=VALUE.",
        _same(KUBERNETES, "cloud.google.com/gke-spot=true"),
        r"[\w./-]+=[\w.-]+",
        "KEY=VALUE",
        "karpenter.sh/capacity-type=spot",
    ),
    "region": Question("Region.", {"aws": "us-west-2", "gcp": "us-central1"}, forms=REGIONS),
    "zone": Question("Zone.", {"gcp": "us-central1-a"}, forms={"gcp": ZONE}),
    "project": Question("Project.", {"gcp": CHANGE_ME}, *_WORD, "my-project"),
    "machine": Question(
        "Machine type of the workers; chosen for --gpus by default.",
        _same(CLOUDS, ""),
        rf"|{_WORD[0]}",
        _WORD[1],
        "g5.xlarge",
    ),
    "machine-image": Question(
        "Disk image with Docker, NVIDIA's container toolkit and a driver for CUDA 13.",
        {"aws": f"ami-{CHANGE_ME}", "gcp": f"projects/{CHANGE_ME}"},
        *_WORD,
        "ami-0123456789abcdef0",
    ),
}
"""Every question, in the order in which they are asked; the flag of each is its name."""


def of_kind(kind: str) -> dict[str, Question]:
    """The questions of a kind; none for files that are used as they are."""
    return {name: question for name, question in QUESTIONS.items() if kind in question.defaults}


def answers(kind: str, given: Mapping[str, str]) -> Answers:
    """The given answers, and the defaults of the others.

    Raises:
        ConfigError, Several: answers to questions that the kind does not ask, or against their rule.
    """
    asked = of_kind(kind)
    errors = []
    for name, answer in given.items():
        form = asked[name].form(kind) if name in asked else None
        if form is None:
            fix = did_you_mean(name, [f"--{one}" for one in asked], f"options of {kind}")
            errors.append(ConfigError(f"{kind} has no --{name}", received=f"--{name} {answer}", fix=fix))
        elif re.fullmatch(form.pattern, answer) is None:
            fix = f"as in --{name} {shlex.quote(form.example)}"
            errors.append(ConfigError(f"--{name} must be {form.rule}", received=repr(answer), fix=fix))
    raise_all(errors)
    found = {name: given.get(name) or question.defaults[kind] for name, question in asked.items()}
    raise_all(list(_together(kind, found)))
    return found


def left_open(line: str) -> str:
    """The question whose open default stands in a line of a file; empty where none does.

    >>> left_open('    ImageId: "ami-CHANGE-ME"'), left_open("#SBATCH --partition=CHANGE-ME")
    ('machine-image', '')
    """
    found = [
        (len(default), name)
        for name, question in QUESTIONS.items()
        for default in question.defaults.values()
        if default in line and CHANGE_ME in default and (default != CHANGE_ME or name in line)
    ]
    return max(found, default=(0, ""))[1]


def spot_workers(answered: Answers) -> int:
    """Workers on spot machines at most: all but the permanent ones, and but one, where the answer is open."""
    most, least = int(answered["max-workers"]), int(answered["min-workers"])
    return int(answered["spot"] or max(0, most - max(1, least)))


def _together(kind: str, answered: Answers) -> list[ConfigError]:
    """What the answers break together."""
    if kind not in GROWING:
        return list(_long_enough(answered["hours"]))
    errors, most, least = [], int(answered["max-workers"]), int(answered["min-workers"])
    if least > most:
        received = f"--min-workers {least} --max-workers {most}"
        fix = f"--max-workers {least}, or --min-workers {most}"
        errors.append(ConfigError("--min-workers must not exceed --max-workers", received=received, fix=fix))
    elif spot_workers(answered) > most - least:
        received = f"--spot {spot_workers(answered)} --max-workers {most} --min-workers {least}"
        fix = f"--spot {max(0, most - least)}, or more workers"
        rule = "--spot and --min-workers must fit into --max-workers"
        errors.append(ConfigError(rule, received=received, fix=fix))
    region, zone = answered.get("region", ""), answered.get("zone", "")
    if zone and not lies_in(zone, region):
        received = f"--region {region} --zone {zone}"
        fix = f"--region {zone.rpartition('-')[0]}, or a --zone that begins with {region}-"
        errors.append(ConfigError("--zone must lie in --region", received=received, fix=fix))
    return errors


def _long_enough(hours: str) -> Iterator[ConfigError]:
    if float(hours) < LEAST_HOURS:
        fix = f"--hours {LEAST_HOURS:g}, or more"
        rule = (
            f"--hours must be {LEAST_HOURS:g} or more: the signal to stop comes three minutes before the end"
        )
        yield ConfigError(rule, received=f"--hours {hours}", fix=fix)
