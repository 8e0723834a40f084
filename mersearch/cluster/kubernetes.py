"""The rules of the Kubernetes objects of a search, beyond their schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path as FilePath
from typing import Any, Final

import yaml

from mersearch.cluster.document import Document, Finding, Path
from mersearch.cluster.pods import fitting, launched, selected
from mersearch.cluster.quantity import quantity
from mersearch.cluster.rules import DEFAULT_DRAIN, DRAIN, NO_USAGE, USAGE, image_findings
from mersearch.cluster.schema import broken
from mersearch.space.problem import did_you_mean

GPU: Final = ("nvidia.com/gpu", "amd.com/gpu")
DEFAULT_GRACE: Final = 30
"""Seconds that Kubernetes gives a pod that does not say otherwise."""
SPOT: Final = {
    "cloud.google.com/gke-spot": "true",
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""Labels of machines that the cloud may take back."""


@cache
def _schema() -> dict[str, Any]:
    text = FilePath(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def findings(documents: list[Document]) -> Iterator[Finding]:
    """Everything that is wrong with the objects of one file."""
    kinds = [str(document.get("kind")) for document in documents]
    for document, kind in zip(documents, kinds, strict=True):
        yield from _valid(document, kind)
        if kind == "RayJob":
            yield from _job(document)
            yield from launched(document)
        at = {"RayJob": ("spec", "rayClusterSpec"), "RayCluster": ("spec",)}.get(kind)
        if at:
            yield from _cluster(document, at)
            yield from fitting(document, at)
            yield from selected(documents, document, at)
    if "NetworkPolicy" not in kinds:
        rule = "without a NetworkPolicy every pod of the cluster reaches Ray's ports"
        yield Finding(documents[0].line("kind"), rule, fix="see the shipped file", note=True)


def _valid(document: Document, kind: str) -> Iterator[Finding]:
    schema = _schema()
    if kind not in schema["kinds"]:
        fix = did_you_mean(kind, schema["kinds"], "kinds")
        yield Finding(document.line("kind"), "this kind of object is not known here", kind, fix)
        return
    expected = schema["kinds"][kind]
    yield from broken(
        document,
        {
            "$schema": schema["$schema"],
            "definitions": schema["definitions"],
            "type": "object",
            "additionalProperties": False,
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "properties": {
                "apiVersion": {"const": expected["apiVersion"]},
                "kind": {"const": kind},
                "metadata": {"$ref": "#/definitions/metadata"},
                "spec": {"$ref": f"#/definitions/{expected['spec']}"},
            },
        },
    )


def _job(document: Document) -> Iterator[Finding]:
    if not document.get("spec", "backoffLimit"):
        line = document.line("spec", "backoffLimit")
        fix = "backoffLimit: 4; the same command goes on with the run"
        yield Finding(line, "a lost head is tried again", "backoffLimit: 0", fix)
    if document.get("spec", "shutdownAfterJobFinishes") is not True:
        line = document.line("spec", "shutdownAfterJobFinishes")
        fix = "shutdownAfterJobFinishes: true"
        yield Finding(line, "the cluster ends with the search", "it stays, and costs", fix)
    at = ("spec", "submitterPodTemplate", "spec", "containers")
    for place, container in enumerate(_list(document, *at)):
        if isinstance(container, dict):
            yield from image_findings(str(container.get("image")), document.line(*at, place, "image"))


def _cluster(document: Document, at: Path) -> Iterator[Finding]:
    yield from _token(document, at)
    yield from _autoscaler(document, at)
    yield from _version(document, at)
    yield from _public(document, at)
    groups = [
        (*at, "workerGroupSpecs", place) for place in range(len(_list(document, *at, "workerGroupSpecs")))
    ]
    for group in groups:
        yield from _bounds(document, group)
    yield from _spot(document, at, groups)
    for group in ((*at, "headGroupSpec"), *groups):
        yield from _pod(document, (*group, "template", "spec"))


def _list(document: Document, *path: str | int) -> list[Any]:
    found = document.get(*path)
    return found if isinstance(found, list) else []


def _variables(document: Document, *path: str | int) -> Mapping[str, Any]:
    return {
        str(one.get("name")): one.get("value", one.get("valueFrom"))
        for one in _list(document, *path)
        if isinstance(one, dict)
    }


def _token(document: Document, at: Path) -> Iterator[Finding]:
    mode = document.get(*at, "authOptions", "mode")
    by_hand = _variables(document, *at, "headGroupSpec", "template", "spec", "containers", 0, "env")
    secret = isinstance(by_hand.get("RAY_AUTH_TOKEN"), dict)
    if mode != "token" and not (secret and by_hand.get("RAY_AUTH_MODE") == "token"):
        line = document.line(*at, "authOptions", "mode")
        fix = "authOptions: {mode: token} (KubeRay 1.7 or newer)"
        yield Finding(line, "every Ray is started with a token", f"authOptions.mode: {mode}", fix)


def _autoscaler(document: Document, at: Path) -> Iterator[Finding]:
    if document.get(*at, "enableInTreeAutoscaling") is not True:
        line = document.line(*at, "enableInTreeAutoscaling")
        fix = "enableInTreeAutoscaling: true"
        yield Finding(line, "workers come and go with the trials", "no autoscaler", fix)
        return
    if document.get(*at, "autoscalerOptions", "version") != "v2":
        line = document.line(*at, "autoscalerOptions", "version")
        received = f"version: {document.get(*at, 'autoscalerOptions', 'version')}"
        yield Finding(line, "the autoscaler is of version 2", received, "autoscalerOptions: {version: v2}")
    if _variables(document, *at, "autoscalerOptions", "env").get(USAGE) != "0":
        line = document.line(*at, "autoscalerOptions", "env")
        yield Finding(line, "usage statistics are off", "the autoscaler sends them", NO_USAGE)


def _version(document: Document, at: Path) -> Iterator[Finding]:
    try:
        installed = version("ray")
    except PackageNotFoundError:
        return
    told = document.get(*at, "rayVersion")
    if isinstance(told, str) and told != installed:
        line = document.line(*at, "rayVersion")
        yield Finding(
            line, f"rayVersion is that of the package, {installed}", told, f'rayVersion: "{installed}"'
        )


def _public(document: Document, at: Path) -> Iterator[Finding]:
    service = document.get(*at, "headGroupSpec", "serviceType", default="ClusterIP")
    fix = "ClusterIP, and kubectl port-forward for the dashboard"
    if service != "ClusterIP":
        line = document.line(*at, "headGroupSpec", "serviceType")
        yield Finding(line, "Ray's ports stay inside the cluster", f"serviceType: {service}", fix)
    if document.get(*at, "headGroupSpec", "enableIngress"):
        line = document.line(*at, "headGroupSpec", "enableIngress")
        yield Finding(line, "Ray's ports stay inside the cluster", "enableIngress: true", fix)


def _bounds(document: Document, group: Path) -> Iterator[Finding]:
    low, high = document.get(*group, "minReplicas"), document.get(*group, "maxReplicas")
    if isinstance(low, int) and isinstance(high, int) and high < low:
        line = document.line(*group, "maxReplicas")
        received = f"maxReplicas: {high}, minReplicas: {low}"
        yield Finding(line, "maxReplicas is not below minReplicas", received, f"maxReplicas: {low} or more")


def _priority(document: Document, group: Path) -> int:
    found = document.get(*group, "priority")
    return found if isinstance(found, int) else 0


def _spot(document: Document, at: Path, groups: list[Path]) -> Iterator[Finding]:
    def spot(group: Path) -> bool:
        labels = document.get(*group, "template", "spec", "nodeSelector", default={})
        return isinstance(labels, dict) and any(labels.get(key) == value for key, value in SPOT.items())

    if spot((*at, "headGroupSpec")):
        line = document.line(*at, "headGroupSpec", "template", "spec", "nodeSelector")
        fix = "run the head on demand: every loss of it is a retry"
        yield Finding(line, "the head is on no spot machine", "nodeSelector", fix)
    steady = max((_priority(document, group) for group in groups if not spot(group)), default=0)
    for group in groups:
        if spot(group) and len(groups) > 1 and _priority(document, group) <= steady:
            line = document.line(*group, "priority")
            received = f"priority: {document.get(*group, 'priority')}"
            fix = f"priority: {steady + 10}"
            yield Finding(line, "spot workers come before those on demand", received, fix)
    used = [group for group in groups if document.get(*group, "maxReplicas") != 0]
    if used and all(spot(group) for group in used):
        fix = "add a group of the same resources without the label, of a lower priority"
        name = str(document.get(*used[0], "groupName"))
        yield Finding(document.line(*used[0]), "spot workers have a fall-back", f"{name} alone", fix)


def _pod(document: Document, pod: Path) -> Iterator[Finding]:
    if document.get(*pod, "restartPolicy") != "Never":
        line = document.line(*pod, "restartPolicy")
        received = f"restartPolicy: {document.get(*pod, 'restartPolicy')}"
        fix = "restartPolicy: Never; the autoscaler makes a new pod"
        yield Finding(line, "a pod is one Ray node and is not used again", received, fix)
    for place, container in enumerate(_list(document, *pod, "containers")):
        at = (*pod, "containers", place)
        if not isinstance(container, dict):
            continue
        yield from image_findings(str(container.get("image")), document.line(*at, "image"))
        yield from _resources(document, at)
        variables = _variables(document, *at, "env")
        if variables.get(USAGE) != "0":
            line = document.line(*at, "env")
            yield Finding(line, "usage statistics are off", f"{container.get('name')} sends them", NO_USAGE)
        yield from _grace(document, pod, variables)


def _grace(document: Document, pod: Path, variables: Mapping[str, Any]) -> Iterator[Finding]:
    grace = document.get(*pod, "terminationGracePeriodSeconds", default=DEFAULT_GRACE)
    drain = quantity(variables.get(DRAIN, DEFAULT_DRAIN))
    if drain is not None and isinstance(grace, int) and grace <= drain:
        line = document.line(*pod, "terminationGracePeriodSeconds")
        received = f"{grace} s, and {DRAIN} is {drain:g} s"
        fix = f"terminationGracePeriodSeconds: {int(drain) + 30}"
        yield Finding(line, "the grace period is longer than the drain time", received, fix)


def _resources(document: Document, at: Path) -> Iterator[Finding]:
    requests = document.get(*at, "resources", "requests", default={})
    limits = document.get(*at, "resources", "limits", default={})
    if not isinstance(requests, dict) or not isinstance(limits, dict):
        return
    for name in ("cpu", "memory"):
        if name not in requests or name not in limits:
            where = "requests" if name not in requests else "limits"
            fix = f"give {name} in both"
            yield Finding(
                document.line(*at, "resources", where),
                f"{name} has a request and a limit",
                f"no {name} in {where}",
                fix,
            )
        elif (low := quantity(requests[name])) and (high := quantity(limits[name])) and high < low:
            received = f"limit {limits[name]}, request {requests[name]}"
            line = document.line(*at, "resources", "limits", name)
            yield Finding(line, f"the limit of {name} is not below its request", received, "raise the limit")
    for name in GPU:
        if str(limits.get(name, "")) != str(requests.get(name, "")):
            where = "limits" if name in limits else "requests"
            received = f"request {requests.get(name)}, limit {limits.get(name)}"
            fix = f'{name}: "{limits.get(name, requests.get(name))}" in both: Kubernetes lends whole cards'
            yield Finding(
                document.line(*at, "resources", where, name),
                "cards have a request equal to their limit",
                received,
                fix,
            )
