"""What the cluster files rely on in the installed Ray; a failure here tells that a sentence of them can go."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ray._private import ray_constants
from ray.autoscaler.v2.instance_manager.config import NodeTypeConfig
from ray.autoscaler.v2.instance_manager.subscribers.cloud_resource_monitor import CloudResourceMonitor
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.autoscaler_pb2 import ResourceRequest, ResourceRequestByCount
from ray.core.generated.instance_manager_pb2 import Instance, InstanceUpdateEvent

from mersearch.cluster.rendering import render
from mersearch.cluster.rules import DEFAULT_DRAIN, DRAIN


def scheduled(types: dict[str, dict[str, Any]], trials: int, **more: Any) -> dict[str, int]:
    """Node type → nodes that Ray's autoscaler starts for so many trials of one card each, all at once."""
    configs = {
        name: NodeTypeConfig(
            name=name,
            min_worker_nodes=node.get("min_workers", 0),
            max_worker_nodes=node.get("max_workers", 0),
            resources=node["resources"],
            priority=node.get("priority", 0),
        )
        for name, node in types.items()
    }
    request: ResourceRequest = ResourceRequestUtil.make({"CPU": 1, "GPU": 1})
    asked = SchedulingRequest(
        node_type_configs=configs,
        disable_launch_config_check=True,
        max_num_nodes=100,
        resource_requests=[ResourceRequestByCount(request=request, count=trials)],
        **more,
    )
    reply = ResourceDemandScheduler(event_logger=None).schedule(asked)
    return {launch.instance_type: launch.count for launch in reply.to_launch}


def of_cloud(**given: str) -> dict[str, dict[str, Any]]:
    choice = {name.replace("_", "-"): answer for name, answer in given.items()}
    types: dict[str, dict[str, Any]] = yaml.safe_load(render("aws", choice))["available_node_types"]
    del types["head"]
    return types


def of_kubernetes(**given: str) -> dict[str, dict[str, Any]]:
    choice = {name.replace("_", "-"): answer for name, answer in given.items()}
    spec = next(yaml.safe_load_all(render("raycluster", choice)))["spec"]
    return {
        group["groupName"]: {
            "max_workers": group["maxReplicas"],
            "resources": {"CPU": 4, "GPU": 1},
            "priority": group["priority"],
        }
        for group in spec["workerGroupSpecs"]
    }


@pytest.mark.parametrize("types", [of_cloud(spot="3"), of_kubernetes(spot="3")], ids=["aws", "kubernetes"])
def test_all_workers_are_asked_for_at_once_and_spot_ones_first(types: dict[str, dict[str, Any]]) -> None:
    spot, steady = types
    assert scheduled(types, 2) == {spot: 2}
    assert scheduled(types, 4) == {spot: 3, steady: 1}


def test_a_group_that_did_not_come_gives_way_to_the_other() -> None:
    types = of_kubernetes(spot="3")
    spot, steady = types
    assert scheduled(types, 2, recoverable_resource_availabilities={spot: 0.0}) == {steady: 2}


def test_a_pod_that_stays_pending_counts_and_a_refused_request_does_not() -> None:
    def after(status: int) -> dict[str, float]:
        monitor = CloudResourceMonitor()
        monitor.notify([InstanceUpdateEvent(new_instance_status=status, instance_type="spot")])
        return dict(monitor.get_recoverable_resource_availabilities())

    assert after(Instance.ALLOCATION_TIMEOUT) == {"spot": 0.0}
    assert after(Instance.ALLOCATION_FAILED) == {}, "ray up falls back now: say so in aws.yaml and gcp.yaml"


def test_the_default_drain_time_is_known() -> None:
    assert ray_constants.RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S == DEFAULT_DRAIN
    assert DRAIN == "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
