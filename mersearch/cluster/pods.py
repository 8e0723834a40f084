"""What of a Ray cluster on Kubernetes must fit together: volumes, groups, options of Ray, labels and the command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from mersearch.cluster.document import Document, Finding, Path
from mersearch.cluster.known import known
from mersearch.cluster.launching import given, joins, launch_words, mersearch_findings
from mersearch.space.problem import did_you_mean

OWN_VOLUMES: Final = ("shared-mem", "ray-logs")
"""Volumes that KubeRay adds to a pod by itself."""
OWN_LABELS: Final = ("ray.io/", "app.kubernetes.io/")
"""Labels that KubeRay gives to pods by itself begin so."""


def _list(document: Document, *path: str | int) -> list[Any]:
    found = document.get(*path)
    return found if isinstance(found, list) else []


def groups_of(document: Document, at: Path) -> list[Path]:
    """The paths of the groups of pods: the head first."""
    workers = range(len(_list(document, *at, "workerGroupSpecs")))
    return [(*at, "headGroupSpec"), *((*at, "workerGroupSpecs", place) for place in workers)]


def fitting(document: Document, at: Path) -> Iterator[Finding]:
    """What does not fit together inside one cluster."""
    names = set[str]()
    for group in groups_of(document, at):
        yield from _options(document, group)
        yield from _mounts(document, (*group, "template", "spec"))
        name = document.get(*group, "groupName")
        if isinstance(name, str):
            if name in names:
                line = document.line(*group, "groupName")
                yield Finding(line, "every group has a name of its own", name, "give it another name")
            names.add(name)
        wanted, most = document.get(*group, "replicas"), document.get(*group, "maxReplicas")
        if isinstance(wanted, int) and isinstance(most, int) and wanted > most:
            received = f"replicas: {wanted}, maxReplicas: {most}"
            fix = "replicas: 0; the autoscaler sets it"
            line = document.line(*group, "replicas")
            yield Finding(line, "replicas are not above maxReplicas", received, fix)


def _options(document: Document, group: Path) -> Iterator[Finding]:
    options = document.get(*group, "rayStartParams")
    for key in options if isinstance(options, dict) else ():
        if key not in known("ray_start"):
            line = document.line(*group, "rayStartParams", key)
            fix = did_you_mean(key, known("ray_start"), "options")
            yield Finding(line, f"ray start has no option --{key}", key, fix)


def _mounts(document: Document, pod: Path) -> Iterator[Finding]:
    volumes = {
        str(volume.get("name")) for volume in _list(document, *pod, "volumes") if isinstance(volume, dict)
    }
    for key in ("containers", "initContainers"):
        for place in range(len(_list(document, *pod, key))):
            at = (*pod, key, place, "volumeMounts")
            for number in range(len(_list(document, *at))):
                name = document.get(*at, number, "name")
                if isinstance(name, str) and name not in volumes and name not in OWN_VOLUMES:
                    fix = did_you_mean(name, volumes, "volumes")
                    yield Finding(document.line(*at, number, "name"), "the pod has the volume", name, fix)


def launched(document: Document) -> Iterator[Finding]:
    """What is wrong with the search that a RayJob starts."""
    command = str(document.get("spec", "entrypoint"))
    line = document.line("spec", "entrypoint")
    yield from mersearch_findings(command, line)
    words = launch_words(command)
    if not words:
        return
    if not joins(words):
        rule = "without --address the search joins the Ray of RAY_ADDRESS, which KubeRay sets on the head"
        yield Finding(line, rule, fix="--address auto", note=True)
    mounts = _kept(document, ("spec", "rayClusterSpec", "headGroupSpec", "template", "spec"))
    rules = {"run.root": "that outlives the pod", "preprocess.cache": "that the pods share"}
    for key, kind in rules.items():
        folder = given(words, key)
        kept_elsewhere = key == "run.root" and given(words, "run.mirror")
        below = any(PurePosixPath(folder).is_relative_to(mount) for mount in mounts)
        if folder.startswith("/") and "$" not in folder and not below and not kept_elsewhere:
            fix = f"{key}={mounts[0]}/…" if mounts else "mount a claim"
            yield Finding(line, f"{key} lies on a volume {kind}", folder, fix)


def _kept(document: Document, pod: Path) -> list[str]:
    """Where the first container of a pod has volumes that stay when it goes."""
    volumes = {
        str(volume.get("name")): volume
        for volume in _list(document, *pod, "volumes")
        if isinstance(volume, dict)
    }
    return [
        str(mount.get("mountPath"))
        for mount in _list(document, *pod, "containers", 0, "volumeMounts")
        if isinstance(mount, dict)
        and isinstance(mount.get("name"), str)
        and "emptyDir" not in volumes.get(mount["name"], {"emptyDir": {}})
    ]


def selected(documents: Sequence[Document], cluster: Document, at: Path) -> Iterator[Finding]:
    """Pods that none of the file's policies protects, though it has some."""
    policies = [one.get("spec", "podSelector") for one in documents if one.get("kind") == "NetworkPolicy"]
    for group in groups_of(cluster, at) if policies else ():
        labels = cluster.get(*group, "template", "metadata", "labels", default={})
        if isinstance(labels, dict) and not any(_selects(policy, labels) for policy in policies):
            line = cluster.line(*group, "template", "metadata", "labels")
            wanted = policies[0].get("matchLabels") if isinstance(policies[0], dict) else None
            fix = f"give it the labels of the policy, {wanted}" if wanted else "see the shipped file"
            yield Finding(line, "a NetworkPolicy selects the pod", f"labels: {labels}", fix)


def _selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a selector may choose a pod, which gets labels of KubeRay's beside its own."""
    wanted = selector.get("matchLabels") if isinstance(selector, dict) else None
    if not isinstance(wanted, dict):
        return True
    return all(labels.get(key) == value for key, value in wanted.items() if not key.startswith(OWN_LABELS))
