"""How fast is preprocessing, per core, against a plain loop, and how much memory does it take?

    python benchmarks/preprocessing.py run [--clips 255] [--repeats 3] [--workers N] [--folder DIR]
    python benchmarks/preprocessing.py report

`run` is resumable: one line per repeat in benchmarks/results/preprocessing.jsonl; `report` writes preprocessing.md.

The database has the size of CASME II: 255 clips of 26 people, 640×480 pixels, 67 frames per clip (a third of a
second at 200 per second). Its pictures are invented faces that drift a little from frame to frame, with noise. Only
the frames that preprocessing samples are on disk; it never opens the others.

Ours is `mersearch.data.cache.prepare`, in a fresh process that has nothing cached: hashes of all sampled frames, face
search, crops, flow, strain, arrays on disk, index. The plain loop is one process and one thread of OpenCV: read,
search the face, crop, flow, strain, an array in memory. Both take turns within a repeat. Frames are those that are
read. Processor time does not depend on what else the machine does; time on the clock does. Memory is the peak of the
proportional set size of the process and all its children, looked at 20 times a second, in runs of their own after the
first repeat: looking takes an eighth of a core and holds up who is looked at, so that it would slow down what uses
all cores and not what leaves one free.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cv2.data import haarcascades
from numpy.typing import NDArray

from mersearch.data.cache import prepare
from mersearch.data.cache_load import load
from mersearch.data.casme2 import read
from mersearch.data.frames import positions
from mersearch.data.labels import label_set
from mersearch.data.preprocess import Preprocess
from mersearch.data.synthetic import synthesize
from mersearch.data.table import Clip, Database

RESULTS = Path(__file__).parent / "results"
LINES = RESULTS / "preprocessing.jsonl"
SETTINGS = Preprocess(frames=16, size=56, flow_size=224, align="haar")
WIDTH, HEIGHT, LENGTH, PEOPLE, CLIPS = 640, 480, 67, 26, 255
RATIO, MEMORY = 0.9, 1024
"""Targets: frames per second of a core over those of the plain loop; MiB."""
Image = NDArray[np.uint8]


def database(folder: Path, clips: int) -> Database:
    """The database, painted where it is not there yet; always the same."""
    names = [f"{number:03d}" for number in range(clips)]
    found = tuple(_clip(folder, name, number) for number, name in enumerate(names))
    done = folder / f"painted-{clips}"
    if not done.exists():
        faces = _faces(folder / "people")
        for number, clip in enumerate(found):
            _paint(clip, faces[number % len(faces)], number)
        done.touch()
    return Database("bench", found, ("a", "b"), None, (), (), clips, "0" * 64, aligned=False)


def _clip(folder: Path, name: str, number: int) -> Clip:
    return Clip(
        clip_id=f"bench/{number % PEOPLE:02d}/{name}",
        database="bench",
        subject=f"bench/{number % PEOPLE:02d}",
        emotion="ab"[number % 2],
        onset=0,
        apex=LENGTH // 2,
        offset=LENGTH - 1,
        action_units=None,
        fps=200.0,
        frames=tuple(folder / name / f"img{frame}.jpg" for frame in range(LENGTH)),
        kind="micro",
    )


def _faces(folder: Path) -> list[Image]:
    root = folder if folder.exists() else synthesize(folder, "casme2", subjects=4, clips=4, seed=0, size=1.6)
    return [_read(clip.frames[0]) for clip in read(root, label_set("casme2-7")).clips]


def _paint(clip: Clip, face: Image, seed: int) -> None:
    """Writes the sampled frames: the face somewhere in a room, drifting by a pixel or two, with noise."""
    rng = np.random.default_rng(seed)
    place, drift = rng.uniform((150, 10), (330, 70)), rng.uniform(-1.5, 1.5, 2)
    clip.frames[0].parent.mkdir(parents=True, exist_ok=True)
    for position in sorted({clip.onset, *positions(clip, SETTINGS)}):
        x, y = place + drift * position / LENGTH
        shift = np.array([[1, 0, x], [0, 1, y]])
        frame = cv2.warpAffine(face, shift, (WIDTH, HEIGHT), borderValue=(90, 90, 90))
        noisy = np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(clip.frames[position]), noisy)


def frames_of(clips: tuple[Clip, ...]) -> int:
    """Frames that are read."""
    return sum(len({clip.onset, *positions(clip, SETTINGS)}) for clip in clips)


def plain(clips: tuple[Clip, ...]) -> NDArray[np.int8]:
    """The same work as a loop: flow [N, 3, T, size, size] of every clip, and the frames beside it."""
    cv2.setNumThreads(1)
    faces, eyes = (
        cv2.CascadeClassifier(f"{haarcascades}haarcascade_{n}.xml") for n in ("frontalface_default", "eye")
    )
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    shape = (len(clips), 3, SETTINGS.frames, SETTINGS.size, SETTINGS.size)
    rgb, flow = np.zeros(shape, np.uint8), np.zeros(shape, np.int8)
    for row, clip in enumerate(clips):
        onset = _read(clip.frames[clip.onset])
        matrix, shrunk = _matrix(onset, faces, eyes)
        face = _crop(onset, matrix, shrunk)
        neutral = _grey(face)
        for t, position in enumerate(positions(clip, SETTINGS)):
            part = face if position == clip.onset else _crop(_read(clip.frames[position]), matrix, shrunk)
            small = cv2.resize(part, (SETTINGS.size,) * 2, interpolation=cv2.INTER_AREA)
            rgb[row, :, t] = cv2.cvtColor(small, cv2.COLOR_BGR2RGB).transpose(2, 0, 1)
            if position != clip.onset:
                guess = np.zeros((*neutral.shape, 2), np.float32)
                flow[row, :, t] = _stored(search.calc(neutral, _grey(part), guess))
    return flow


def _read(path: Path) -> Image:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)


def _grey(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _matrix(onset: Image, face: Any, eye: Any) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Search face and eyes; the matrix from the shrunk frame to the crop, and the size that it is shrunk to."""
    grey = _grey(onset)
    boxes = face.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(96, 96))
    x, y, w, h = max(
        (tuple(map(int, box)) for box in boxes), key=lambda box: box[2], default=(0, 0, WIDTH, HEIGHT)
    )
    eyes = []
    for left, right in ((x, x + w // 2), (x + w // 2, x + w)):
        top = y + round(0.18 * h)
        part = np.ascontiguousarray(grey[top : y + round(0.6 * h), left:right])
        least = round(0.12 * w)
        found, _, weights = eye.detectMultiScale3(
            part, scaleFactor=1.05, minNeighbors=3, minSize=(least, least), outputRejectLevels=True
        )
        best = found[int(np.argmax(weights))] if len(found) else (w // 8, h // 8, w // 4, h // 8)
        eyes.append(complex(left + best[0] + best[2] / 2, top + best[1] + best[3] / 2))
    a = SETTINGS.flow_size * 0.4 / (eyes[1] - eyes[0])
    b = SETTINGS.flow_size * complex(0.3, 0.38 * 17 / 14) - a * eyes[0]
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag * 14 / 17, a.real * 14 / 17, b.imag * 14 / 17]])
    across, down = np.minimum(1.0, np.linalg.norm(matrix[:, :2], axis=0))
    shrunk = (round(WIDTH * across), round(HEIGHT * down))
    matrix[:, :2] *= [WIDTH / shrunk[0], HEIGHT / shrunk[1]]
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return matrix, shrunk


def _crop(image: Image, matrix: NDArray[np.float64], shrunk: tuple[int, int]) -> Image:
    if shrunk != (WIDTH, HEIGHT):
        image = np.asarray(cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA), np.uint8)
    size = (SETTINGS.flow_size,) * 2
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _stored(flow: NDArray[np.float32]) -> NDArray[np.int8]:
    u, v = flow[..., 0], flow[..., 1]
    (u_y, u_x), (v_y, v_x) = np.gradient(u), np.gradient(v)
    size = (SETTINGS.size,) * 2
    parts = [cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (u, v, u_x, v_y, u_y + v_x)]
    strain = np.sqrt(parts[2] ** 2 + parts[3] ** 2 + 0.5 * parts[4] ** 2)
    pixels = SETTINGS.face_size / SETTINGS.flow_size / SETTINGS.flow_scale
    values = np.stack([parts[0] * pixels, parts[1] * pixels, strain / SETTINGS.strain_scale])
    return np.asarray(np.rint(np.clip(values, -1, 1) * 127), np.int8)


def timed(what: str, folder: Path, clips: int, workers: int, *, watched: bool = False) -> dict[str, float]:
    """Seconds of one way in a fresh process without a cache; where it is watched, its peak memory (MiB) instead."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        words = [what, str(folder), str(clips), str(workers), cache]
        command = [sys.executable, __file__, "_once", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            peak = _peak(process) if watched else 0.0
            told = process.communicate()[0]
        if process.returncode:
            raise RuntimeError(f"{what} ended with {process.returncode}")
        return {"memory": round(peak, 1)} if watched else dict(json.loads(told))


def _peak(process: subprocess.Popen[str]) -> float:
    """Largest memory of a process and its children until it ends, in MiB."""
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(map(_memory, _family(process.pid))))
        time.sleep(0.05)
    return peak


def once(what: str, folder: Path, clips: int, workers: int, cache: Path) -> dict[str, float]:
    """Seconds of one way, on the clock and of processors; imports and the list of the clips do not count, starting
    workers does.
    """
    found = database(folder, clips)
    start, busy = time.perf_counter(), _busy()
    if what == "plain":
        plain(found.clips)
    else:
        prepare(found, None, SETTINGS, cache, workers=workers)
    return {"seconds": time.perf_counter() - start, "cpu": _busy() - busy}


def _busy() -> float:
    """Processor seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def agreement(folder: Path, clips: int) -> float:
    """Mean difference of a stored flow value between the two ways, in the median clip; in steps of 1/127."""
    found = database(folder, clips)
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        ours = load(prepare(found, None, SETTINGS, Path(cache), workers=1).micro).micro.flow
        assert ours is not None
        theirs = plain(found.clips)
        return float(np.median(np.abs(ours.astype(int) - theirs).mean((1, 2, 3, 4))))


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    return family


def _memory(pid: int) -> float:
    """Proportional set size in MiB; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def run(clips: int, repeats: int, workers: int, folder: Path) -> None:
    """Every repeat that is not there yet."""
    RESULTS.mkdir(exist_ok=True)
    known = [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []
    done = {(line["clips"], line["workers"], line["repeat"]) for line in known}
    folder.mkdir(parents=True, exist_ok=True)
    found = database(folder, clips)
    apart = agreement(folder, min(clips, 12))
    for repeat in range(repeats):
        if (clips, workers, repeat) not in done:
            line = cell(folder, found, repeat, workers) | {"apart": round(apart, 3)}
            with LINES.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)


def cell(folder: Path, found: Database, repeat: int, workers: int) -> dict[str, Any]:
    """One repeat: the plain loop, ours with one worker, ours with all."""
    clips = len(found.clips)
    ways = (("plain", "plain", 1), ("one", "ours", 1), ("many", "ours", workers))
    line: dict[str, Any] = {
        "clips": clips,
        "workers": workers,
        "repeat": repeat,
        "frames": frames_of(found.clips),
        **{name: timed(what, folder, clips, count) for name, what, count in ways},
        "load": round(os.getloadavg()[0], 2),
    }
    for name, what, count in ways if repeat == 0 else ():
        line[name] |= timed(what, folder, clips, count, watched=True)
    return line


HEAD = (
    "clips",
    "workers",
    "plain loop, frames/s",
    "ours with 1",
    "ours with all",
    "ratio with 1",
    "ratio per core",
    "ratio of processor time",
    "peak MiB (plain, 1, all)",
    "repeats",
    "load",
)


def report() -> str:
    """The table of all repeats, as Markdown."""
    lines = [json.loads(line) for line in LINES.read_text().splitlines()]
    groups = sorted({(line["clips"], line["workers"]) for line in lines})
    about = (
        f"{WIDTH}×{HEIGHT} pixels, {SETTINGS.frames} of {LENGTH} frames per clip, flow on {SETTINGS.flow_size}×"
        f"{SETTINGS.flow_size}, faces searched. Medians over repeats; ratios within a repeat, above 1 = faster than "
        f"the plain loop. Targets: at least {RATIO} per core, peak below {MEMORY} MiB. Load is that of the machine "
        "at the end, ours included: where it is above the workers, time on the clock says little, processor time "
        "does."
    )
    worst = max(line["apart"] for line in lines)
    rows = [_row([line for line in lines if (line["clips"], line["workers"]) == group]) for group in groups]
    text = [
        "# Preprocessing: speed per core and memory",
        "",
        *textwrap.wrap(about, 118),
        "",
        f"| {' | '.join(HEAD)} |",
        f"|{'--:|' * len(HEAD)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"Both ways store the same flow, to {worst:.2f} of 127 steps (mean over the median clip).",
        "",
    ]
    return "\n".join(text)


def _row(lines: list[dict[str, Any]]) -> list[str]:
    def median(values: list[float], digits: int) -> str:
        return f"{float(np.median(values)):.{digits}f}"

    workers = lines[0]["workers"]
    ratio = {n: [line["plain"]["seconds"] / line[n]["seconds"] for line in lines] for n in ("one", "many")}
    return [
        str(lines[0]["clips"]),
        str(workers),
        *(
            median([line["frames"] / line[n]["seconds"] for line in lines], 0)
            for n in ("plain", "one", "many")
        ),
        median(ratio["one"], 2),
        median([value / workers for value in ratio["many"]], 2),
        median([line["plain"]["cpu"] / line["many"]["cpu"] for line in lines], 2),
        ", ".join(f"{max(line[n].get('memory', 0) for line in lines):.0f}" for n in ("plain", "one", "many")),
        str(len(lines)),
        f"{max(line['load'] for line in lines):.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    options = commands.add_parser("run")
    options.add_argument("--clips", type=int, default=CLIPS)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options.add_argument("--folder", type=Path, default=None, help="kept; a temporary one by default")
    commands.add_parser("report")
    hidden = commands.add_parser("_once")
    for name, kind in (("what", str), ("folder", Path), ("clips", int), ("workers", int), ("cache", Path)):
        hidden.add_argument(name, type=kind)
    given = parser.parse_args()
    if given.command == "_once":
        print(json.dumps(once(given.what, given.folder, given.clips, given.workers, given.cache)))
    elif given.command == "run":
        with tempfile.TemporaryDirectory() as temporary:
            run(given.clips, given.repeats, given.workers, given.folder or Path(temporary) / "database")
    else:
        text = report()
        (RESULTS / "preprocessing.md").write_text(text)
        print(text)


if __name__ == "__main__":
    main()
