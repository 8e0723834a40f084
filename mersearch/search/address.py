"""Whether anything answers at a Ray address, asked before Ray itself waits for minutes."""

from __future__ import annotations

import socket

from mersearch.errors import ClusterError

TIMEOUT = 5.0
"""Seconds to wait for a TCP connection."""


def unreachable(address: str) -> str:
    """Why `host:port` (or `ray://host:port`) does not answer; empty when it does."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        return "not of the form HOST:PORT"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT):
            return ""
    except OSError as error:
        return f"does not answer ({error.strerror or error})"


def require(address: str) -> None:
    """Raise `ClusterError` unless something answers at `address`."""
    if why := unreachable(address):
        raise ClusterError(
            f"the Ray address {why}",
            received=address,
            fix="start the cluster first (ray start --head prints HOST:PORT), or leave --address and "
            "RAY_ADDRESS away to use this machine",
        )
