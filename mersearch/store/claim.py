"""Which copy of a run writes to its mirror, told by a marker there that the writer renews.

No lock is common to all storages, so two writers are not kept apart by one: each claim leaves a token of its own in
the marker, and a copy of the run goes there only while the token is one that it put or fetched. So

- a run that is being written elsewhere is not fetched: its marker changes while it is watched, which no clock judges;
- a copy that comes back after another one took over finds a token that it does not know, and is refused;
- a writer that others took for dead finds such a token before it puts anything more, and leaves the mirror alone.

Between a look at the marker and what is put next there is no protection. A storage in which the marker cannot be read
is written to as if there were none.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mersearch.errors import RunError
from mersearch.store.bucket import Bucket
from mersearch.store.files import replace as replace_file
from mersearch.store.owner import Owner, alive, this_process

MARKER: Final = "writer.json"
"""Object of the mirror."""
KNOWN: Final = ".mirror.json"
"""File of a run directory with the tokens that it put, and the marker that it was fetched with."""
RENEWED: Final = 30.0
"""Seconds between renewals of the marker."""
WATCHED: Final = 90.0
"""Seconds in which a writer that lives renews its marker at least once."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Who wrote last, and whether that process goes on to."""

    token: str
    owner: dict[str, Any]
    since: str
    """ISO 8601, UTC."""
    renewed: float
    """Seconds since 1970 by the clock of the writer."""
    beats: int = 0
    """Renewals so far."""
    released: bool = False

    @property
    def who(self) -> str:
        """The process in words."""
        return f"pid {self.owner.get('pid', '?')} on {self.owner.get('host', '?')} since {self.since}"


def is_mirror(folder: Path) -> bool:
    """Whether a folder is the mirror of a run, and not itself the run."""
    with contextlib.suppress(OSError, ValueError):
        return (folder / MARKER).is_file() and not (folder / KNOWN).is_file()
    return False


def marker_of(bucket: Bucket) -> Marker | None:
    """The marker of a mirror; None where there is none that can be understood, OSError without an answer."""
    try:
        values = json.loads(bucket.get(MARKER))
        return Marker(
            str(values["token"]),
            dict(values["owner"]),
            str(values["since"]),
            float(values["renewed"]),
            int(values["beats"]),
            bool(values["released"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def require_silent(
    bucket: Bucket, notice: Callable[[str], None], wait: Callable[[float], None]
) -> Marker | None:
    """The marker of a mirror to which nobody writes now.

    Args:
        bucket: the mirror.
        notice: is told before a writer that cannot be seen from here is watched.
        wait: takes the seconds for which it is.

    Raises:
        RunError: somebody does.
        OSError: the storage does not answer.
    """
    marker = marker_of(bucket)
    if marker is None or marker.released:
        return marker
    try:
        writes = alive(Owner.from_dict(marker.owner), time.time() - marker.renewed)
    except (KeyError, ValueError, TypeError):
        writes = None
    if writes is None:
        notice(f"{marker.who} wrote to {bucket.address}; looking for {WATCHED:.0f} s whether it still does…")
        wait(WATCHED)
        writes = marker_of(bucket) != marker
    if writes:
        raise RunError(
            "one machine works on a run at a time, and one writes to this mirror",
            received=f"{bucket.address}: {marker.who}",
            fix="wait for that process or stop it: Ctrl-C there keeps everything that is finished",
        )
    return marker


def require_latest(run: Path, bucket: Bucket) -> None:
    """Raise RunError where another copy of the run was the last to write to its mirror; OSError without an answer."""
    marker = marker_of(bucket)
    if marker is not None and not _is_known(marker, _known(run)):
        raise RunError(
            "one copy of a run goes on, and the one in the mirror was written from another than this",
            received=f"{bucket.address}: {marker.who}",
            fix=f"fetch that one into another folder: mersearch resume {bucket.address} --root OTHER; "
            "or give this one another run.mirror",
        )


def remember_fetched(run: Path, marker: Marker | None) -> None:
    """Store that a run directory is what was in a mirror under this marker. Raises as a write to the run."""
    if marker is not None:
        text = json.dumps({"tokens": [], "fetched": [marker.token, marker.beats]})
        replace_file(run / KNOWN, text.encode(), run)


class Claim:
    """The right of a run directory to write to a mirror; renewed in a thread until `release` or `retire`.

    Nothing is put there before the first `renew`.

    Args:
        run: the run directory, under its lease.
        bucket: the mirror.
        notice: is told, once, when another copy of the run has taken over.

    Raises:
        Interrupted: the disk is full.
    """

    def __init__(self, run: Path, bucket: Bucket, notice: Callable[[str], None]) -> None:
        self.lost = False
        """Whether another copy has taken over."""
        self._bucket, self._notice, self._lock, self._stop = (
            bucket,
            notice,
            threading.Lock(),
            threading.Event(),
        )
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._mine = Marker(secrets.token_hex(8), this_process().to_dict(), since, time.time())
        known = _known(run)
        self._known = {**known, "tokens": [*known["tokens"], self._mine.token]}
        replace_file(run / KNOWN, json.dumps(self._known).encode(), run)
        threading.Thread(target=self._work, name="mersearch-mirror-claim", daemon=True).start()

    def holds(self) -> bool:
        """Whether this copy may write: False only where the marker says that another one has taken over."""
        with self._lock:
            self._look()
            return not self.lost

    def renew(self) -> None:
        """Put the marker; not where another copy has taken over, or the storage does not say."""
        with self._lock:
            if not self._stop.is_set():
                self._put(released=False)

    def release(self) -> None:
        """Give the mirror back, once nothing more is put there."""
        self.retire()
        with self._lock:
            self._put(released=True)

    def retire(self) -> None:
        """End the renewals, without giving the mirror back."""
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.wait(RENEWED):
            self.renew()

    def _put(self, *, released: bool) -> None:
        if not self._look():
            return
        beats = self._mine.beats + 1
        self._mine = replace(self._mine, beats=beats, renewed=time.time(), released=released)
        with contextlib.suppress(OSError):
            self._bucket.put(MARKER, json.dumps(asdict(self._mine)).encode())

    def _look(self) -> bool:
        """Whether the storage says that nobody else has taken over; sets `lost` where it says that somebody has."""
        try:
            marker = None if self.lost else marker_of(self._bucket)
        except OSError:
            return False
        if marker is not None and not _is_known(marker, self._known):
            self.lost = True
            self._notice(
                f"the mirror {self._bucket.address} was taken over by another copy of the run, {marker.who}: nothing "
                "more of this one goes there; the run itself goes on"
            )
        return not self.lost


def _known(run: Path) -> dict[str, Any]:
    try:
        known = json.loads((run / KNOWN).read_bytes())
        return {"tokens": [str(token) for token in known["tokens"]], "fetched": known["fetched"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"tokens": [], "fetched": None}


def _is_known(marker: Marker, known: dict[str, Any]) -> bool:
    """Whether the last writer was this run directory, or nobody has written since it was fetched."""
    return marker.token in known["tokens"] or [marker.token, marker.beats] == known["fetched"]
