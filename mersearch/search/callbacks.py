"""The two places where Tune lets the driver act beside searcher and scheduler."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback, Stopper

from mersearch.search.bridge import Bridge


class Forget(Callback):  # type: ignore[misc]
    """Drops what is stored already from the results that Tune keeps."""

    def on_trial_result(self, *, result: dict[str, Any], **_: Any) -> None:
        """Tune keeps `result` as the trial's last one."""
        result.pop("report", None)


class Ticking(Stopper):  # type: ignore[misc]
    """Never stops a trial; Tune asks it in every turn of its loop, about ten times a second."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __call__(self, _trial_id: str, _result: dict[str, Any]) -> bool:
        """The session decides on trials."""
        return False

    def stop_all(self) -> bool:
        """An interrupt leaves the loop from here."""
        self._bridge.tick()
        return False

    def __getstate__(self) -> dict[str, Any]:
        return {}
