"""Content hashes of frames, remembered by path, size and time of change so that asking again is cheap."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mersearch.data.table import Clip
from mersearch.errors import DataError
from mersearch.seeds import digest

MEMORY = "frames.json"


class FrameHashes:
    """SHA-256 of files, remembered in `<root>/frames.json`; a file that changed size or time is read again.

    What is remembered only saves time: a damaged or unwritable file is ignored.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / MEMORY
        self._known = self._read()
        self._changed = False

    def clip(self, clip: Clip, positions: Sequence[int]) -> str:
        """Hash of the contents of some frames of a clip, in this order; with flow that was computed elsewhere.

        Raises:
            DataError: a frame is missing or cannot be read; names the clip and the file.
        """
        try:
            return digest(self._contents(clip, positions))
        except OSError as error:
            raise DataError(
                f"Every frame of clip {clip.clip_id} can be read",
                received=f"{error.filename}: {error.strerror}",
                fix="restore the file or its permissions",
            ) from error

    def _contents(self, clip: Clip, positions: Sequence[int]) -> list[Any]:
        contents: list[Any] = []
        if clip.video is not None:
            video = clip.video
            contents = ["video", self._frame(video.path), video.first, *positions]
        elif clip.frames:
            contents = [self._frame(clip.frames[position]) for position in positions]
        if clip.flow is not None:
            maps = clip.flow
            about = [maps.length, maps.apex, maps.scale, maps.strain_scale]
            contents += ["flow", *about, *(self._frame(path) for path in maps.files)]
        return contents

    def save(self) -> None:
        """Write what is remembered, if anything is new."""
        if not self._changed:
            return
        draft = self._path.with_name(f"{MEMORY}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(self._known), encoding="utf-8")
            draft.replace(self._path)
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        self._changed = False

    def _frame(self, path: Path) -> str:
        key = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", and resolve asks the disk
        state = path.stat()
        known = self._known.get(key)
        if known is not None and known[:2] == [state.st_size, state.st_mtime_ns]:
            return str(known[2])
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[key] = [state.st_size, state.st_mtime_ns, content]
        self._changed = True
        return content

    def _read(self) -> dict[str, list[int | str]]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
