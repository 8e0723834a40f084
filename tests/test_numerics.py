"""The numeric mode: what it records, what it sets, and how two of them differ."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from mersearch import numerics
from mersearch.errors import ConfigError

MODE = numerics.numeric_mode(1, 4, "loop", "cpu")


def test_a_mode_names_device_processor_version_threads_backend_chunk_and_precision() -> None:
    assert MODE["device"] == "cpu"
    assert MODE["cpu_features"] == torch.backends.cpu.get_cpu_capability()
    assert MODE["torch"] == torch.__version__
    assert (MODE["threads"], MODE["backend"], MODE["chunk"]) == (1, "loop", 4)
    assert MODE["device_name"]
    assert json.loads(json.dumps(MODE)) == MODE


def test_equal_modes_have_no_difference() -> None:
    assert numerics.difference(MODE, numerics.numeric_mode(1, 4, "loop", "cpu")) == []


def test_every_entry_that_differs_is_named_with_both_values() -> None:
    other = {**MODE, "threads": 2, "precision": "float64"}
    del other["torch"]
    lines = numerics.difference(MODE, other)
    assert lines == [
        "precision: float32 → float64",
        "threads: 1 → 2",
        f"torch: {MODE['torch']} → not recorded",
    ]


def test_folds_in_processes_have_the_bits_of_the_loop_and_fused_folds_have_not() -> None:
    assert numerics.difference(MODE, {**MODE, "backend": "processes"}) == []
    assert numerics.difference(MODE, {**MODE, "backend": "fused"}) == ["backend: loop → fused"]
    threads = {**MODE, "backend": "processes", "threads": 2}
    assert numerics.difference(MODE, threads) == ["threads: 1 → 2"]


def test_applying_a_mode_sets_threads_and_deterministic_kernels_in_the_process() -> None:
    code = """
import os, torch
from mersearch import numerics
numerics.apply(numerics.numeric_mode(3, 1, "loop", "cpu"))
assert torch.get_num_threads() == 3
assert torch.are_deterministic_algorithms_enabled()
assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
assert not torch.backends.cudnn.benchmark
assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_precision_of_a_mode_is_a_torch_type() -> None:
    assert numerics.dtype(MODE) is torch.float32
    assert numerics.dtype({"precision": "float64"}) is torch.float64
    assert numerics.dtype({"precision": "bfloat16"}) is torch.bfloat16
    with pytest.raises(ConfigError, match="float32, float64 or bfloat16"):
        numerics.dtype({"precision": "float16"})


def test_a_process_that_trains_does_not_import_the_compiler_of_torch() -> None:
    code = """
import sys, torch
from mersearch import numerics
from mersearch.algorithm import Optimiser
from mersearch.training import optimisers
numerics.apply(numerics.numeric_mode(1, 1, "loop", "cpu"))
values = torch.zeros(2)
values.grad = torch.ones(2)
for name in ("adamw", "sgd"):
    optimisers.build(Optimiser(name), [values]).step()
assert (values < 0).all()
assert "torch._dynamo" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
