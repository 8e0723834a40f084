"""The numeric mode: everything that decides the last bits of a result besides configuration, fold and data.

Within a mode, a fold's predictions are the same to the bit; across modes they agree within tolerance.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mersearch.errors import ConfigError
from mersearch.heap import keep_freed

if TYPE_CHECKING:
    from mersearch.config.records import Config

Mode = dict[str, str | int]
ALONE = ("loop", "processes")
"""Back-ends that train every fold by itself."""
_PRECISIONS = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def numeric_mode(
    threads: int, chunk: int, backend: str, device: str | torch.device, precision: str = "float32"
) -> Mode:
    """The mode of this process, as plain values for the run directory.

    Args:
        threads: threads of one worker.
        chunk: folds per chunk.
        backend: back-end of the training.
        device: "cpu", "cuda", "cuda:1", …
        precision: "float32", "float64", or "bfloat16": mixed, with parameters in float32.
    """
    kind = torch.device(device).type
    return {
        "device": kind,
        "device_name": torch.cuda.get_device_name(device) if kind == "cuda" else _processor(),
        "cpu_features": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
        "threads": threads,
        "backend": backend,
        "chunk": chunk,
        "precision": precision,
    }


def mode_on(config: Config, device: str) -> Mode:
    """The numeric mode in which this process trains a configuration on `cpu` or `cuda`."""
    folds = config.folds
    return numeric_mode(threads_of(config), folds.chunk, folds.backend, device, folds.precision)


def threads_of(config: Config) -> int:
    """Threads of one process: those of the trial's cores, but one where a process trains a fold on each of them."""
    return 1 if config.folds.backend == "processes" else max(1, int(config.trial.cpus))


def with_folds(mode: Mode, config: Config) -> Mode:
    """`mode`, with the back-end, the chunk, the threads and the precision of `config`."""
    folds = config.folds
    own: Mode = {"threads": threads_of(config), "backend": folds.backend, "chunk": folds.chunk}
    return {**mode, **own, "precision": folds.precision}


def apply(mode: Mapping[str, str | int]) -> None:
    """Bring this process into `mode`: its threads, deterministic kernels, no TF32. Call it once per process.

    What makes it fast without a change of bits is set too: memory that is freed stays with the process.

    Operations without a deterministic kernel on a GPU still run, and torch warns about them.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    keep_freed()
    torch.set_num_threads(int(mode["threads"]))
    torch.set_deterministic_debug_mode("warn")  # the other function for it imports torch's compiler: a second
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def require_precision(mode: Mapping[str, str | int]) -> None:
    """Raise ConfigError where the card of this machine, if it has one, cannot compute in the precision of `mode`."""
    if (mode["precision"], mode["device"]) != ("bfloat16", "cuda") or not torch.cuda.is_available():
        return
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ConfigError(
            "folds.precision=bfloat16 needs a card with bfloat16 arithmetic",
            received=str(mode["device_name"]),
            fix="folds.precision=float32, or a card of compute capability 8.0 or more",
        )


def dtype(mode: Mapping[str, str | int]) -> torch.dtype:
    """The floating-point type of `mode`.

    Raises:
        ConfigError: an unknown precision.
    """
    name = str(mode["precision"])
    if name not in _PRECISIONS:
        raise ConfigError(
            "a precision is float32, float64 or bfloat16", received=name, fix="use one of these"
        )
    return _PRECISIONS[name]


def precision_of(dtype: torch.dtype) -> str:
    """The name of a floating-point type in a mode."""
    return str(dtype).removeprefix("torch.")


def difference(a: Mapping[str, str | int], b: Mapping[str, str | int]) -> list[str]:
    """One line per entry in which two modes differ; empty where results are the same to the bit.

    Folds in processes are trained as in the loop, each by itself, so these two back-ends are one.
    """
    return [
        f"{name}: {a.get(name, 'not recorded')} → {b.get(name, 'not recorded')}"
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name) and not (a.get(name) in ALONE and b.get(name) in ALONE)
    ]


def _processor() -> str:
    """The model of the processor; math libraries choose their kernels by it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
