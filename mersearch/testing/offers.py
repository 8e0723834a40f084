"""What an algorithm may offer beside its training: curves, ablations, a look inside."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from mersearch.algorithm import Need, curves
from mersearch.config import algorithm_class
from mersearch.data.folds import folds
from mersearch.nesting import nested
from mersearch.testing.comparing import changed
from mersearch.testing.subject import Subject, fitted, settings_of, start, views_of


class OffersContract(Subject):
    """Offers are optional; one that is made must hold."""

    def test_settings_are_a_frozen_record_whose_defaults_are_valid(self) -> None:
        """`Settings()` and an empty section in YAML mean the same."""
        record = algorithm_class(self.algorithm).Settings
        assert record.__dataclass_params__.frozen, "Settings is no frozen dataclass"
        assert settings_of(self.algorithm, {}, "defaults") == record()

    def test_every_log_in_curves_is_logged(self) -> None:
        """By at least one loss."""
        data = self.data()
        algorithm = self.build(data)
        names = curves(algorithm)
        if not names:
            pytest.skip(f"{self.algorithm} names no CURVES")
        found = fitted(algorithm, data, folds(data)[0]).diagnostics
        for name in names:
            assert any(key.endswith(f".{name}.curve") for key in found), f"no loss logs {name!r}"

    def test_every_ablation_is_a_configuration_that_trains_otherwise(self) -> None:
        """Valid settings, and another training of the same fold."""
        data = self.data()
        whole = self.build(data)
        offered = getattr(algorithm_class(self.algorithm), "ablations", None)
        found = offered(self.configured()) if offered is not None else {}
        on = {name: change for name, change in found.items() if change}
        if not on:
            pytest.skip(f"{self.algorithm} offers no ablations of these settings")
        full = fitted(whole, data, folds(data)[0])
        for name, change in on.items():
            without = fitted(self.build(data, nested(change)), data, folds(data)[0])
            assert changed(full, without), f"the ablation {name!r} changes nothing"

    def test_what_it_gives_up_for_want_of_data_is_then_not_needed(self) -> None:
        """`without` gives valid settings, with which `needs` lacks the view or the macro clips."""
        offered = getattr(algorithm_class(self.algorithm), "without", None)
        if offered is None:
            pytest.skip(f"{self.algorithm} gives up nothing for want of data")
        data = self.data()
        for need in get_args(Need):
            change = {path: value for off in offered(need).values() for path, value in off.items()}
            left = self.build(data, nested(change)).needs()
            assert not change or need not in left, f"{need} is needed with {change} too"

    def test_what_it_shows_of_its_inside_is_per_clip(self) -> None:
        """`inspect` gives a finite number for every clip, and a vector as `feature`."""
        data = self.data()
        algorithm = self.build(data)
        inspect = getattr(algorithm, "inspect", None)
        if inspect is None:
            pytest.skip(f"{self.algorithm} has no inspect")
        clips = folds(data)[0].train[:5]
        with torch.no_grad():
            shown = inspect(*start(algorithm, 1, torch.float32), views_of(data, clips, torch.float32))
        for name, value in shown.items():
            assert len(value) == len(clips), f"inspect: {name!r} of shape {tuple(value.shape)} for 5 clips"
            assert value.ndim == (2 if name == "feature" else 1), f"inspect: {name!r} has {value.ndim} axes"
            assert value.isfinite().all(), f"inspect: {name!r} is not finite"
