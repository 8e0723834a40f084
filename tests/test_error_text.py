from __future__ import annotations

import pytest

from mersearch.console.errors import text
from mersearch.errors import ChunkTooLarge, ConfigError, RunError, Several, Stopped, out_of_memory

PATH = "/data/" + "a-long/path-with-hyphens/" * 5 + "file.yaml"


def test_rule_received_and_fix_have_a_line_each() -> None:
    error = RunError("a rule", received="a thing", fix="do this")
    assert text(error) == "error: a rule\n  received: a thing\n  fix: do this"
    assert text(RunError("a rule")) == "error: a rule"


def test_a_stop_that_the_user_wanted_is_one_plain_line_and_no_error() -> None:
    stopped = Stopped("everything finished is kept", received="SIGINT", fix="mersearch resume runs/x goes on")
    assert text(stopped) == "stopped (SIGINT): everything finished is kept; mersearch resume runs/x goes on"
    plain = Stopped("everything finished is kept", fix="the same command goes on")
    assert text(plain) == "stopped: everything finished is kept; the same command goes on"
    assert stopped.exit_code == 3


def test_long_parts_are_wrapped_and_hang() -> None:
    lines = text(RunError("word " * 40, received="thing " * 40), 60).splitlines()
    assert max(map(len, lines)) <= 60
    assert [line for line in lines if not line.startswith("    ")] == [lines[0], lines[len(lines) // 2]]


def test_a_path_is_never_broken() -> None:
    error = RunError(f"{PATH}:3: a rule", received=f"in {PATH}")
    assert text(error, 40).splitlines() == [
        f"error: {PATH}:3:",
        "    a rule",
        "  received: in",
        f"    {PATH}",
    ]


def test_a_command_to_copy_stays_on_one_line() -> None:
    fix = "make some more room, then go on with this: mersearch resume runs/quintuplet"
    assert "    mersearch resume runs/quintuplet" in text(RunError("full", fix=fix), 60).splitlines()


def test_lines_of_a_list_keep_their_own() -> None:
    error = RunError("clips", received="first one\n    second one\n    third " + "long " * 20)
    assert text(error, 60).splitlines()[1:4] == [
        "  received: first one",
        "    second one",
        "    third long long long long long long long long long long",
    ]


def test_several_errors_stand_below_each_other() -> None:
    several = Several([ConfigError("one", fix="a"), ConfigError("two", received="b")])
    assert text(several) == "error: one\n  fix: a\nerror: two\n  received: b"


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (ChunkTooLarge("a chunk must fit"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("out of memory"), False),
        (MemoryError("out of memory"), False),
    ],
    ids=["allocator", "driver", "cublas", "cudnn", "cudnn 9", "ours", "assert", "value", "host"],
)
def test_a_card_without_memory_is_known_by_whatever_of_it_complains(error: Exception, full: bool) -> None:
    assert out_of_memory(error) is full
