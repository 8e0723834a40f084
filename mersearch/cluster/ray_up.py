"""The rules of a file for `ray up`, beyond Ray's own schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from mersearch.cluster.document import Document, Finding
from mersearch.cluster.forms import REGIONS, lies_in
from mersearch.cluster.known import known
from mersearch.cluster.machines import MACHINES
from mersearch.cluster.questions import CLOUDS
from mersearch.cluster.ray_schema import ray_schema
from mersearch.cluster.rules import assigned, command_findings, image_findings
from mersearch.cluster.schema import broken
from mersearch.counted import counted
from mersearch.space.problem import did_you_mean

START: Final = ("head_start_ray_commands", "worker_start_ray_commands")
COMMANDS: Final = (
    *START,
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
)
_SSH: Final = 22
_DEFAULT_PORT: Final = "6379"
"""Of a head that does not say otherwise."""
_MARKETS: Final = ("spot", "capacity-block", "interruptible-capacity-reservation")


def findings(document: Document) -> Iterator[Finding]:
    """Everything that is wrong with a `ray up` file."""
    yield from broken(document, ray_schema())
    yield from _places(document)
    yield from _node_types(document)
    yield from _bounds(document)
    yield from _spot(document)
    yield from _docker(document)
    yield from _commands(document)
    yield from _open_ports(document)
    yield from _growth(document)


def _types(document: Document) -> dict[str, Any]:
    found = document.get("available_node_types", default={})
    types = found if isinstance(found, dict) else {}
    return {name: node for name, node in types.items() if isinstance(node, dict)}


def _places(document: Document) -> Iterator[Finding]:
    """Whether the region is one of the cloud, and on Google Cloud the zone one of the region."""
    provider, region, zone = (
        str(document.get("provider", key, default="")) for key in ("type", "region", "availability_zone")
    )
    form = REGIONS.get(provider)
    if form and region and not re.fullmatch(form.pattern, region):
        yield Finding(document.line("provider", "region"), f"region is {form.rule}", region, form.example)
    elif provider == "gcp" and region and zone and not lies_in(zone, region):
        fix = f"a zone that begins with {region}-"
        yield Finding(document.line("provider", "availability_zone"), "the zone lies in region", zone, fix)


def _node_types(document: Document) -> Iterator[Finding]:
    provider, types = str(document.get("provider", "type")), _types(document)
    if provider not in {*known("providers"), "None"}:
        fix = did_you_mean(provider, known("providers"), "types")
        yield Finding(document.line("provider", "type"), "ray up knows the provider", provider, fix)
    head = document.get("head_node_type")
    if types and str(head) not in types:
        line = document.line("head_node_type")
        yield Finding(
            line, "head_node_type names a node type", str(head), did_you_mean(str(head), types, "node types")
        )
    for name in types:
        at = ("available_node_types", name)
        config = document.get(*at, "node_config")
        keys = list(config) if isinstance(config, dict) else []
        valid = known(provider) if provider in CLOUDS else frozenset(keys)
        for key in keys:
            if key not in valid:
                fix = did_you_mean(key, valid)
                yield Finding(document.line(*at, "node_config", key), f"a machine has no key {key}", key, fix)
        yield from _cards(document, provider, name)


def _cards(document: Document, provider: str, name: str) -> Iterator[Finding]:
    at = ("available_node_types", name)
    key = {"aws": "InstanceType", "gcp": "machineType"}.get(provider, "")
    machine = document.get(*at, "node_config", key)
    has = MACHINES.get(provider, {}).get(str(machine))
    told = document.get(*at, "resources", "GPU", default=0)
    if has and told != has.gpus:
        line = document.line(*at, "resources")
        yield Finding(
            line, f"a {machine} has {counted(has.gpus, 'card')}", f"GPU: {told}", f"write GPU: {has.gpus}"
        )
    cores = document.get(*at, "resources", "CPU")
    if has and isinstance(cores, int | float) and cores > has.cpus:
        line = document.line(*at, "resources")
        yield Finding(line, f"a {machine} has {has.cpus} cores", f"CPU: {cores}", f"write CPU: {has.cpus}")
    market = document.get(*at, "node_config", "InstanceMarketOptions", "MarketType")
    if isinstance(market, str) and market not in _MARKETS:
        line = document.line(*at, "node_config", "InstanceMarketOptions", "MarketType")
        yield Finding(line, "AWS knows the market", market, did_you_mean(market, _MARKETS, "markets"))


def _bounds(document: Document) -> Iterator[Finding]:
    most, types = document.get("max_workers"), _types(document)
    if not isinstance(most, int):
        fix = "add max_workers: it bounds what the cluster may cost"
        yield Finding(document.line("max_workers"), "max_workers bounds all workers together", "nothing", fix)
        return
    least = 0
    for name in types:
        low = document.get("available_node_types", name, "min_workers", default=0)
        high = document.get("available_node_types", name, "max_workers", default=most)
        least += low if isinstance(low, int) else 0
        if isinstance(low, int) and isinstance(high, int) and high < low:
            line = document.line("available_node_types", name, "max_workers")
            received = f"max_workers: {high}, min_workers: {low}"
            yield Finding(
                line, "max_workers is not below min_workers", received, f"max_workers: {low} or more"
            )
    if least > most:
        received = f"max_workers: {most}, and min_workers sum up to {least}"
        fix = f"max_workers: {least} or more"
        yield Finding(document.line("max_workers"), "max_workers is not below min_workers", received, fix)


def _growth(document: Document) -> Iterator[Finding]:
    """Whether workers can come, and find the head."""
    head, types = document.get("head_node_type"), _types(document)
    cores = document.get("available_node_types", str(head), "resources", "CPU")
    if document.get("max_workers") == 0 and cores == 0 and types:
        fix = "max_workers: 4, say: the head trains nothing"
        yield Finding(document.line("max_workers"), "there are workers", "max_workers: 0", fix)
    port = _DEFAULT_PORT
    for place, command in _start(document, START[0]):
        if not re.search(r"\bray\s+start\b.*--head\b", command):
            continue
        line = document.line(START[0], place)
        found = re.search(r"--port[= ](\d+)", command)
        port = found[1] if found else _DEFAULT_PORT
        if "--autoscaling-config" not in command and document.get("max_workers") != 0:
            fix = "--autoscaling-config=~/ray_bootstrap_config.yaml"
            yield Finding(line, "the head knows how to start workers", "ray start --head without it", fix)
    for place, command in _start(document, START[1]):
        found = re.search(r"--address[= ][\"']?\$\{?RAY_HEAD_IP\}?:(\d+)", command)
        if found and found[1] != port:
            line = document.line(START[1], place)
            yield Finding(
                line, f"workers join the head at its port, {port}", found[1], f"$RAY_HEAD_IP:{port}"
            )


def _start(document: Document, key: str) -> list[tuple[int, str]]:
    found = document.get(key)
    return list(enumerate(map(str, found))) if isinstance(found, list) else []


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def is_spot(config: Any) -> bool:
    """Whether a machine is one that the cloud may take back."""
    scheduling = config.get("scheduling") if isinstance(config, dict) else None
    parts = scheduling if isinstance(scheduling, list) else [scheduling]
    market = config.get("InstanceMarketOptions") if isinstance(config, dict) else None
    return (isinstance(market, dict) and market.get("MarketType") == "spot") or any(
        isinstance(part, dict)
        and (part.get("preemptible") is True or part.get("provisioningModel") == "SPOT")
        for part in parts
    )


def _spot(document: Document) -> Iterator[Finding]:
    types, head = _types(document), document.get("head_node_type")
    most = _number(document.get("max_workers"), 0)
    spot = [name for name, node in types.items() if is_spot(node.get("node_config"))]
    steady = [
        name
        for name, node in types.items()
        if name not in spot and name != head and _number(node.get("max_workers"), most) != 0
    ]
    for name in spot:
        line = document.line("available_node_types", name)
        if name == head:
            fix = "run the head on demand: every loss of it ends the search"
            yield Finding(line, "the head is no spot machine", name, fix)
        elif not steady and _number(types[name].get("max_workers"), most) != 0:
            fix = "add a node type of the same resources on demand, with a lower priority"
            yield Finding(line, "spot workers have a fall-back", f"{name} alone", fix)
        elif _number(types[name].get("max_workers"), most) >= most > 0:
            rule = "Ray 2.60 does not fall back where a spot request is refused"
            fix = f"max_workers: {most - 1} keeps a worker on demand"
            yield Finding(
                document.line("available_node_types", name, "max_workers"), rule, name, fix, note=True
            )


def _environment(document: Document) -> dict[str, str]:
    """Variables that Docker gives to every command in the container."""
    options = document.get("docker", "run_options", default=[])
    text = " ".join(str(option) for option in options) if isinstance(options, list) else ""
    return assigned(re.sub(r"(?:--env|-e)[= ]", " ", text))


def _docker(document: Document) -> Iterator[Finding]:
    image = document.get("docker", "image")
    if isinstance(image, str):
        yield from image_findings(image, document.line("docker", "image"))
    token = _environment(document).get("RAY_AUTH_TOKEN_PATH")
    mounts = document.get("file_mounts", default={})
    if token and isinstance(mounts, dict) and token not in mounts:
        fix = f"add {token}: ~/.mersearch-token to file_mounts"
        yield Finding(document.line("file_mounts"), "the token is copied to every node", f"no {token}", fix)


def _commands(document: Document) -> Iterator[Finding]:
    environment = _environment(document)
    for key in START:
        if not document.get(key):
            fix = "give it: Ray's own commands start Ray without a token and end every Ray of the machine"
            yield Finding(document.line(key), f"{key} is given", "nothing", fix)
    for key in COMMANDS:
        commands = document.get(key, default=[])
        for place, command in enumerate(commands if isinstance(commands, list) else []):
            yield from command_findings(str(command), document.line(key, place), environment)


def _open_ports(document: Document) -> Iterator[Finding]:
    at = ("provider", "security_group", "IpPermissions")
    permissions = document.get(*at, default=[])
    for place, permission in enumerate(permissions if isinstance(permissions, list) else []):
        text = str(permission)
        port = permission.get("FromPort") if isinstance(permission, dict) else None
        if ("0.0.0.0/0" in text or "::/0" in text) and port != _SSH:
            fix = "leave it out: ray exec, ray attach and ray dashboard go through ssh"
            yield Finding(
                document.line(*at, place), "no port but ssh is open to the world", f"port {port}", fix
            )
