"""Machine types of the clouds with their cores and cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from mersearch.counted import counted
from mersearch.errors import ConfigError


class Machine(NamedTuple):
    """Cores and cards of a machine type."""

    cpus: int
    gpus: int


MACHINES: Final[Mapping[str, Mapping[str, Machine]]] = {
    "aws": {
        "m5.xlarge": Machine(4, 0),
        "g5.xlarge": Machine(4, 1),
        "g5.12xlarge": Machine(48, 4),
        "g5.48xlarge": Machine(192, 8),
        "g6.xlarge": Machine(4, 1),
        "g6.12xlarge": Machine(48, 4),
        "g6.48xlarge": Machine(192, 8),
        "p4d.24xlarge": Machine(96, 8),
        "p5.48xlarge": Machine(192, 8),
    },
    "gcp": {
        "n2-standard-4": Machine(4, 0),
        "g2-standard-4": Machine(4, 1),
        "g2-standard-24": Machine(24, 2),
        "g2-standard-48": Machine(48, 4),
        "g2-standard-96": Machine(96, 8),
        "a2-highgpu-1g": Machine(12, 1),
        "a2-highgpu-2g": Machine(24, 2),
        "a2-highgpu-4g": Machine(48, 4),
        "a2-highgpu-8g": Machine(96, 8),
    },
}
"""Cloud → machine type → what it has; the first with enough cards is chosen."""


def machine(cloud: str, name: str, gpus: int) -> tuple[str, Machine]:
    """The machine type of a worker with `gpus` cards: the named one, or the first of the table.

    Raises:
        ConfigError: no type of the table has so many cards, the named one has another number, or is not in it.
    """
    table = MACHINES[cloud]
    if not name:
        fitting = [known for known, has in table.items() if has.gpus == gpus]
        if not fitting:
            counts = sorted({has.gpus for has in table.values()})
            fix = f"--gpus {' or '.join(map(str, counts))}"
            raise ConfigError(
                f"no machine type of {cloud} has these cards", received=f"--gpus {gpus}", fix=fix
            )
        name = fitting[0]
    if name not in table:
        fix = f"one of {', '.join(table)}; another one: render with one of these, and edit the file"
        raise ConfigError(f"{name} is not in the table of machines", received=f"--machine {name}", fix=fix)
    if table[name].gpus != gpus:
        fix = f"--gpus {table[name].gpus}, or another --machine"
        raise ConfigError(
            f"{name} has {counted(table[name].gpus, 'card')}", received=f"--gpus {gpus}", fix=fix
        )
    return name, table[name]
