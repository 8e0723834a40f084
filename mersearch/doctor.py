"""What this machine offers, and what is wrong with it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mersearch.cores import local_cores
from mersearch.errors import ClusterError

PACKAGES = (
    "torch",
    "ray",
    "optuna",
    "hydra-core",
    "pydantic",
    "numpy",
    "pandas",
    "opencv-python-headless",
    "openpyxl",
    "rich",
    "safetensors",
)
GIB = 2**30
_ADDRESSES = {
    "local": "no address: a search starts a private Ray on this machine, with a token of its own",
    "auto": "address auto: a search joins the Ray that runs on this machine",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's answer; `problem` says what to do, empty when all is well."""

    topic: str
    text: str
    problem: str = ""
    blocking: bool = False


def examine(run_root: Path, address: str | None = None) -> list[Finding]:
    """Every check, in the order in which they are shown; `address` is the Ray address to be tried."""
    return [
        Finding("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        *_packages(),
        *_face_cascade(),
        *_devices(),
        *_memory(),
        *_disk(run_root),
        *_ray(address),
    ]


def _packages() -> Iterator[Finding]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    yield Finding("packages", ", ".join(found))
    if missing:
        yield Finding("packages", "missing: " + ", ".join(missing), "install mersearch again", blocking=True)


def _face_cascade() -> Iterator[Finding]:
    wheels = sorted(
        name
        for name in ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
        if _installed(name)
    )
    if wheels:
        yield Finding(
            "opencv",
            f"{', '.join(wheels)} beside opencv-python-headless",
            "keep one OpenCV wheel: pip uninstall the others, then reinstall opencv-python-headless",
        )
    spec = importlib.util.find_spec("cv2")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None or not (root / "data" / "haarcascade_frontalface_default.xml").is_file():
        yield Finding(
            "opencv",
            "no face cascade in the installed OpenCV",
            'pip install "opencv-python-headless>=4.10,<5"',
            blocking=True,
        )


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _devices() -> Iterator[Finding]:
    import torch

    yield Finding("processor", f"{local_cores()} cores usable of {os.cpu_count()}, {platform.machine()}")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    limit = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible})"
    if not torch.cuda.is_available():
        built = "a CUDA build" if torch.version.cuda else "a CPU build"
        yield Finding(
            "cards", f"none usable{limit}; torch {torch.__version__} is {built}; trials run on the CPU"
        )
        return
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        busy = "" if free > 0.9 * total else "more than a tenth of its memory is in use by others"
        text = f"{index}: {name}, {free / GIB:.0f} of {total / GIB:.0f} GiB free{limit}"
        yield Finding("cards", text, busy)


def _memory() -> Iterator[Finding]:
    pages, available, size = (
        os.sysconf(f"SC_{name}") for name in ("PHYS_PAGES", "AVPHYS_PAGES", "PAGE_SIZE")
    )
    yield Finding("memory", f"{available * size / GIB:.1f} of {pages * size / GIB:.1f} GiB free")
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield Finding("memory", "no /dev/shm", "Ray's object store falls back to the disk and is slow")
    elif (free := shutil.disk_usage(shared).free) < GIB // 4:
        fix = "in a container: give it --shm-size=1g; Ray's object store falls back to the disk"
        yield Finding("memory", f"/dev/shm has {free / 2**20:.0f} MiB free", fix)


def _disk(run_root: Path) -> Iterator[Finding]:
    place = run_root.absolute()
    while not os.path.exists(place):  # noqa: PTH110, which raises where it may not look
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"runs go to {run_root} ({free / GIB:.0f} GiB free)"
    if refused := _unusable(run_root.absolute()):
        fix = "--root, and run.root=… of a search, name another folder"
        yield Finding("disk", text, f"it cannot be written to: {refused}; {fix}", blocking=True)
    else:
        yield Finding("disk", text, "less than 1 GiB is free" if free < GIB else "")


def _unusable(folder: Path) -> str:
    """Why a folder cannot be made or written to; empty where it can. What is made for this is removed again."""
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder):
            return ""
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    finally:
        for made in missing:
            with suppress(OSError):
                made.rmdir()


def _ray(address: str | None) -> Iterator[Finding]:
    from mersearch.search.address import resolve

    mode = os.environ.get("RAY_AUTH_MODE")
    try:
        meant = resolve(address)
    except ClusterError as error:
        yield Finding("ray", f"{error.rule}: {error.received}", error.fix, blocking=True)
    else:
        yield Finding("ray", _ADDRESSES.get(meant, f"address {meant} answers"))
    yield Finding(
        "ray", f"RAY_AUTH_MODE={mode}" if mode else "RAY_AUTH_MODE is not set; used for clusters only"
    )


def lines(findings: list[Finding]) -> list[str]:
    """The findings as text of at most 80 columns, problems marked, and a verdict."""
    text: list[str] = []
    for finding in findings:
        mark = "!" if finding.problem else " "
        head = f"{mark} {finding.topic:10s} "
        text += textwrap.wrap(finding.text, 80, initial_indent=head, subsequent_indent=" " * len(head))
        if finding.problem:
            text += textwrap.wrap(
                finding.problem, 80, initial_indent=" " * 13 + "→ ", subsequent_indent=" " * 15
            )
    blocking = sum(finding.blocking for finding in findings)
    minor = sum(bool(finding.problem) and not finding.blocking for finding in findings)
    verdict = (
        "All is well." if not blocking + minor else f"{blocking} to mend before a search, {minor} to look at."
    )
    return [*text, "", verdict]
