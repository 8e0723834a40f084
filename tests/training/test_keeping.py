"""What training on macro clips alone leaves on disk: whole or not there, computed by one, and checked when read."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mersearch.training import keeping
from mersearch.training.keeping import kept, read
from mersearch.training.pretrained import Pretrained

KEY = "a1" * 32
PATIENCE = 30.0


def result(key: str = KEY) -> Pretrained:
    """Every type and shape that a result can have, and numbers that text could lose."""
    generator = np.random.default_rng(0)
    return Pretrained(
        parameters={
            "mnet.weight": torch.from_numpy(generator.normal(size=(3, 2)).astype(np.float32)),
            "mnet.scale": torch.tensor(0.1, dtype=torch.float64),
            "about": torch.tensor([float("nan"), float("-inf"), -0.0]),
        },
        state={"steps": torch.tensor(3), "average": torch.tensor([0.1])},
        diagnostics={"pretrain.loss": 0.1 + 0.2, "pretrain.steps": 3, "pretrain.curve": [1e-320, 2.0]},
        seen=frozenset({"macro/00", "S052"}),
        key=key,
    )


class Computing:
    """Gives `result()` and counts how often."""

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.times, self._during = 0, during

    def __call__(self) -> Pretrained:
        self.times += 1
        self._during()
        return result()


def fields(found: Pretrained) -> tuple[object, ...]:
    tensors = [
        {name: (value.dtype, tuple(value.shape), value.numpy().tobytes()) for name, value in part.items()}
        for part in (found.parameters, found.state)
    ]
    return *tensors, repr(found.diagnostics), found.seen, found.key


def test_what_is_read_is_what_was_computed_to_the_bit(tmp_path: Path) -> None:
    first = kept(tmp_path / "new", KEY, Computing())
    again = Computing()
    second = kept(tmp_path / "new", KEY, again)
    assert again.times == 0
    assert fields(first) == fields(second) == fields(result())
    assert [file.name for file in (tmp_path / "new").iterdir()] == [f"{KEY}.npz"], "no lock, no draft"


def test_numpy_opens_the_file_without_pickle(tmp_path: Path) -> None:
    kept(tmp_path, KEY, Computing())
    with np.load(tmp_path / f"{KEY}.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["parameters.mnet.weight"], result().parameters["mnet.weight"].numpy())


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        flipped,
        lambda content: b"not an archive",
    ],
    ids=["empty", "half", "one byte short", "one bit flipped", "something else"],
)
def test_a_damaged_file_is_computed_again(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    kept(tmp_path, KEY, Computing())
    file = tmp_path / f"{KEY}.npz"
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert read(file, KEY) is None
    again = Computing()
    assert fields(kept(tmp_path, KEY, again)) == fields(result())
    assert again.times == 1
    assert read(file, KEY) is not None


def test_a_file_of_another_key_or_layout_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "b2" * 32
    kept(tmp_path, KEY, Computing())
    (tmp_path / f"{KEY}.npz").rename(tmp_path / f"{other}.npz")
    assert read(tmp_path / f"{other}.npz", other) is None
    assert read(tmp_path / f"{other}.npz", KEY) is not None
    monkeypatch.setattr(keeping, "LAYOUT", 2)
    assert read(tmp_path / f"{other}.npz", KEY) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def interrupted() -> None:
        raise error

    with pytest.raises(error, match=r"^$"):
        kept(tmp_path, KEY, Computing(interrupted))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_costs_the_file_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert fields(kept(tmp_path, KEY, Computing())) == fields(result())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_the_file_and_not_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    computing = Computing()
    assert fields(kept(tmp_path / "file" / "pretrained", KEY, computing)) == fields(result())
    assert computing.times == 1


def test_what_several_want_at_once_is_computed_by_one_of_them(tmp_path: Path) -> None:
    """A lock belongs to whoever opened the file, so threads stand for processes here."""
    asked = threading.Event()
    one = Computing(lambda: asked.wait(PATIENCE))
    two = Computing()
    found: list[Pretrained] = []
    began = threading.Thread(target=lambda: found.append(kept(tmp_path, KEY, one)))
    began.start()

    def second() -> None:
        asked.set()
        found.append(kept(tmp_path, KEY, two))

    waits = threading.Thread(target=second)
    while not one.times:
        os.sched_yield()
    waits.start()
    for thread in (began, waits):
        thread.join(PATIENCE)
    assert (one.times, two.times) == (1, 0)
    assert fields(found[0]) == fields(found[1])


HOLDING = """
import fcntl, sys
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_process_that_dies_while_it_computes_lets_go(tmp_path: Path) -> None:
    lock, computing = tmp_path / f"{KEY}.lock", Computing()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        waiting = threading.Thread(target=lambda: kept(tmp_path, KEY, computing))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert computing.times == 0, "another process holds the lock"
        other.kill()
        waiting.join(PATIENCE)
    assert computing.times == 1
    assert [file.name for file in tmp_path.iterdir()] == [f"{KEY}.npz"]
