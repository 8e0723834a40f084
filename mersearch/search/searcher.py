"""The session as a searcher of Tune."""

from __future__ import annotations

from typing import Any

from ray.tune.search import Searcher

from mersearch.search.bridge import Bridge


class SessionSearcher(Searcher):  # type: ignore[misc]
    """Hands out pieces of the session's trials, each of which is a trial to Tune.

    Tune pickles and snapshots searchers: nothing is in the snapshot.
    """

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def set_search_properties(self, _metric: Any, _mode: Any, _config: Any, **_spec: Any) -> bool:
        """There is nothing to set: the session knows its metric."""
        return True

    def suggest(self, _trial_id: str) -> dict[str, Any] | str | None:
        """What a slot does next, `Searcher.FINISHED`, or None to be asked again later."""
        piece = self._bridge.next_piece()
        if piece is None:
            return None if self._bridge.waits else str(Searcher.FINISHED)
        return {
            "number": piece.number,
            "trial": piece.trial,
            "parameters": dict(piece.parameters),
            "chunk": piece.chunk,
            "attempt": piece.attempt,
            "room": self._bridge.room(piece.trial),
            "gpus": self._bridge.gpus(piece.trial),
            "backend": self._bridge.backend(piece.trial),
            "crashes": 0,
            "over": False,
        }

    def on_trial_complete(self, _trial_id: str, **_: Any) -> None:
        """Every end is in the session already."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the run directory is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as `save`."""

    def __getstate__(self) -> dict[str, Any]:
        return {}
