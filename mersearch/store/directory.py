"""The run directory: created in one step, opened with its protocol checked, read without any lock."""

from __future__ import annotations

import difflib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from mersearch.errors import RunError
from mersearch.similar import did_you_mean
from mersearch.store.files import failure, replace, sync_folder
from mersearch.store.lease import held
from mersearch.store.lines import corrupt, is_torn, read_lines
from mersearch.store.plan import FoldPlan
from mersearch.store.records import Record, encode, fold_record, trial_record, verdict_record
from mersearch.store.state import RunState
from mersearch.store.writer import FOLDS, TRIALS, VERDICTS, RunWriter, yaml_bytes

PROTOCOL: Final = 1
"""Version of the layout of a run directory and of the meaning of its numbers."""
CONFIG: Final = "config.yaml"
PROVENANCE: Final = "provenance.json"
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class RunDirectory:
    """One run on disk.

    Attributes:
        path: the folder; its name is the name of the run.
        provenance: protocol, fold plan, an `id` that no other run has (older ones have none), and what the launch
            stored about code, data and environment.
        plan: the folds.
    """

    path: Path
    provenance: dict[str, Any]
    plan: FoldPlan

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.path.name

    @staticmethod
    def require_free(path: Path) -> None:
        """Make the folder that a new run goes into, before work is spent on it.

        Raises:
            RunError: something is at `path` already, or the place is not writable.
            Interrupted: the disk is full.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failure(error, path, path) from error
        RunDirectory.require_possible(path)

    @staticmethod
    def require_possible(path: Path) -> None:
        """Raise the RunError of `require_free` where that would, and make nothing."""
        try:
            taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
            above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
            if not above.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, f"{above} is no folder")
            if not os.access(above, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, f"{above} is not writable")
        except OSError as error:
            raise failure(error, path, path) from error
        if taken:
            raise _taken(path)

    @classmethod
    def create(
        cls, path: Path, *, config: Mapping[str, Any], provenance: Mapping[str, Any], plan: FoldPlan
    ) -> RunDirectory:
        """A new run, which appears on disk whole or not at all.

        Raises:
            RunError: something is there already, or the place is not writable.
            Interrupted: the disk is full.
        """
        values = {"protocol": PROTOCOL, "id": secrets.token_hex(8), **provenance, "folds": plan.to_dict()}
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
        try:
            new.mkdir(parents=True)
            text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
            replace(new / PROVENANCE, text.encode() + b"\n", path)
            replace(new / CONFIG, yaml_bytes(config), path)
            new.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            if os.path.lexists(path):
                raise _taken(path) from error
            raise failure(error, path, path) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """The run at `path`.

        Raises:
            RunError: no run is there (near names are given), or it is one of another protocol version.
        """
        if not is_run(path):
            raise _no_run(path)
        file = path / PROVENANCE
        try:
            provenance = json.loads(file.read_bytes())
            version = provenance["protocol"]
            if version != PROTOCOL:
                raise RunError(
                    f"this version of mersearch reads runs of protocol version {PROTOCOL}",
                    received=f"{path}: protocol version {version}",
                    fix="open it with the version of mersearch named in its provenance.json, or start a new run",
                )
            return cls(path, provenance, FoldPlan.from_dict(provenance["folds"]))
        except OSError as error:
            raise _unreadable(file, str(error.strerror)) from error
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(file, f"{type(error).__name__}: {error}") from error

    @classmethod
    def find(cls, run: str, root: Path) -> RunDirectory:
        """The run that a user names: a path, or a name under `root`; RunError with near names otherwise."""
        path = Path(run)
        is_path = path.name != run or is_run(path)
        stray = os.path.lexists(path) and not os.path.lexists(root / run)
        return cls.open(path if is_path or stray else root / run)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration; RunError where it cannot be read."""
        import yaml

        file = self.path / CONFIG
        try:
            values = yaml.safe_load(file.read_bytes())
        except OSError as error:
            raise _unreadable(file, str(error.strerror)) from error
        except yaml.YAMLError as error:
            raise _unreadable(file, " ".join(str(error).split())) from error
        if not isinstance(values, dict):
            raise _unreadable(file, f"a {type(values).__name__} where keys are expected")
        return values

    def setting(self, section: str, key: str) -> Any:
        """One value of the configuration; RunError where it is not there, as in a file that lost its end."""
        values = self.config.get(section)
        if not isinstance(values, dict) or key not in values:
            raise _unreadable(self.path / CONFIG, f"{section}.{key} is missing")
        return values[key]

    def read(self) -> RunState:
        """Everything recorded so far, at any time, also while the run is being written.

        Raises:
            RunError: a bad line in the middle of a log, with file and line number.
        """
        state = self.read_trials()
        _read_into(state, self.path / FOLDS, fold_record)
        _read_into(state, self.path / VERDICTS, verdict_record)
        return state

    def read_trials(self) -> RunState:
        """What was proposed and what has ended, quickly: without folds and verdicts; raises as `read`."""
        state = RunState(self.plan)
        _read_into(state, self.path / TRIALS, trial_record)
        return state

    def torn(self) -> list[str]:
        """The logs that end in the middle of a line, which `read` leaves out: by name."""
        return [name for name in (TRIALS, FOLDS, VERDICTS) if is_torn(self.path / name)]

    @contextmanager
    def writer(self) -> Iterator[RunWriter]:
        """The one writer of the run, while the context lasts.

        Raises:
            RunError: another process is writing to the run.
            Interrupted: the disk is full.
        """
        with held(self.path) as lease, closing(RunWriter(self.path, self.read(), lease)) as writer:
            yield writer


def is_run(path: Path) -> bool:
    """Whether `path` looks like a run directory; not where the system does not let us look."""
    try:
        return (path / CONFIG).is_file() and (path / PROVENANCE).is_file()
    except OSError:
        return False


def runs(root: Path) -> list[Path]:
    """The run directories in a folder, by name; empty where there is no such folder, or none that can be read."""
    try:
        with os.scandir(root) as entries:
            return sorted(
                Path(e.path) for e in entries if not e.name.startswith(".") and is_run(Path(e.path))
            )
    except OSError:
        return []


def _read_into(state: RunState, path: Path, decode: Callable[[dict[str, Any]], R]) -> None:
    for number, record in enumerate(read_lines(path, decode), 1):
        try:
            state.add(record)
        except ValueError as error:
            raise corrupt(path, number, encode(record), str(error)) from error


def _taken(path: Path) -> RunError:
    rule = "a new run needs a place of its own"
    fix = "another run.name, or mersearch resume where it is a run"
    return RunError(rule, received=f"{path} exists", fix=fix)


def _no_run(path: Path) -> RunError:
    below = [str(run) for run in runs(path)]
    known = [run.name for run in runs(path.parent)]
    near = difflib.get_close_matches(path.name, known, n=3, cutoff=0.5)
    if below:
        fix = f"runs in it: {', '.join(below[:10])}{', …' if len(below) > 10 else ''}"
    elif near:
        fix = f"did you mean {' or '.join(near)}?"
    elif known:
        fix = f"runs there: {', '.join(known[:10])}{', …' if len(known) > 10 else ''}"
    else:
        none = f"there are no runs in {path.parent}; mersearch launch starts one, --root names another folder"
        fix = did_you_mean(path) + none
    try:
        path.lstat()
        (path / CONFIG).lstat()
        (path / PROVENANCE).lstat()
        what = "is not a run"
    except FileNotFoundError as error:
        lacking = Path(error.filename)
        what = "does not exist" if lacking == path else f"is not a run: it lacks {lacking.name}"
    except OSError as error:
        what, fix = f"is not a run: {error.strerror}", "check the path, and owner and rights of the folder"
    return RunError("a run is a path, or a name under --root", received=f"{path} {what}", fix=fix)


def _unreadable(file: Path, why: str) -> RunError:
    return RunError(
        f"{file.name} of a run must be readable",
        received=f"{file}: {why}",
        fix="restore the file from a copy",
    )
