"""Whether anything answers at a Ray address, asked before Ray itself waits for minutes."""

from __future__ import annotations

import os
import socket

from mersearch.errors import ClusterError

TIMEOUT = 5.0
"""Seconds to wait for a TCP connection."""


def unreachable(address: str) -> str:
    """Why `host:port` does not answer; empty when it does."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        return "not of the form HOST:PORT"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT):
            return ""
    except (OSError, UnicodeError) as error:
        return f"does not answer ({getattr(error, 'strerror', None) or error})"


def resolve(address: str | None) -> str:
    """The address that is meant: `address`, else that of `RAY_ADDRESS`, else `local`.

    Raises:
        ClusterError: nothing answers there, or it is a Ray client's; `local` and `auto` are left to Ray.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith("ray://"):
        raise ClusterError(
            "a search runs on a machine of the cluster, not through a Ray client",
            received=address,
            fix="start it there (ray job submit, ssh), with --address HOST:PORT of the head",
        )
    if address not in ("local", "auto") and (why := unreachable(address)):
        raise ClusterError(
            f"the Ray address {why}",
            received=address,
            fix="start the cluster first (ray start --head prints HOST:PORT), or leave --address and "
            "RAY_ADDRESS away to use this machine",
        )
    return address
