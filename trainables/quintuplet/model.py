"""The networks of one configuration, applied to the tensors of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mersearch.algorithm import Batch, Parameters, Shapes
from trainables.blocks.augmentation import Views, augment
from trainables.blocks.clips import apply_mask, frames_in_use, join, positions, views_of
from trainables.blocks.networks import Networks
from trainables.quintuplet.checks import pretrains
from trainables.quintuplet.mnet import MNet, MNetHeads, action_unit_regions, grid, mask
from trainables.quintuplet.recogniser import Features, Recogniser
from trainables.quintuplet.settings import Settings

View = Literal["rgb", "flow"]
AUGMENTATION_SITE, DROPOUT_SITE = 0, 10
RECOGNISER = ("recogniser", "classifier")
MNET = ("mnet", "mnet_heads")
PRETRAINED = ("mnet", "mnet_heads.macro")


def views_in_use(settings: Settings) -> tuple[View, ...]:
    """The views that are encoded."""
    return ("rgb", "flow") if settings.views == "both" else (settings.views,)


class Model:
    """Networks on the meta device and constants; the parameters come with every call."""

    def __init__(self, settings: Settings, shapes: Shapes) -> None:
        self.settings, self.shapes = settings, shapes
        self.views = views_in_use(settings)
        self._frames = frames_in_use(shapes.frames, settings.frames)
        self._networks = Networks(self._build)

    def _build(self) -> dict[str, nn.Module]:
        settings, shapes = self.settings, self.shapes
        networks: dict[str, nn.Module] = {
            "recogniser": Recogniser(settings, self.views, shapes.size, self._frames),
            "classifier": nn.Linear(settings.encoder.dim, len(shapes.emotions)),
        }
        if settings.mask.enabled:
            units, seen = len(shapes.action_units), settings.mask.macro or pretrains(settings)
            macro = len(shapes.macro_emotions) if seen else 0
            networks["mnet"] = MNet(3 * len(self.views), units, settings.mask.width)
            networks["mnet_heads"] = MNetHeads(units, len(shapes.emotions), macro)
        return networks

    def initial(self, key: int) -> Parameters:
        """Fresh parameters `<network>.<parameter>`."""
        return self._networks.initial(key)

    def load(self, batch: Batch, kind: str) -> Views:
        """The frames in use of the clips of one kind, centred: [B, T, 3, H, W]."""
        part = self.settings.quintuplet.macro_part if kind == "macro" else 1.0
        chosen = positions(self.shapes.frames, self._frames, part)
        like = batch[f"{kind}.{self.views[0]}"]
        index = self._networks.constant(kind, like, partial(torch.tensor, chosen))
        settings = self.settings
        return views_of(batch, kind, self.views, index, settings.rgb_input, settings.flow_input)

    def training_views(self, batch: Batch, key: Tensor, step: Tensor) -> Views:
        """Micro clips, then macro clips, of what the batch has; augmented."""
        views = reduce(join, [self.load(batch, kind) for kind in kinds(batch)])
        return augment(views, self.settings.augmentation, key, step, AUGMENTATION_SITE)

    def evidence(self, parameters: Parameters, views: Views) -> tuple[Tensor, Tensor]:
        """Evidence z [B, T, A, g, g] of `views`, and the regions R [A, g, g]."""
        evidence = self.call("mnet", parameters, list(views.values()))
        cells = grid(self.shapes.size)
        regions = partial(action_unit_regions, self.shapes.action_units, cells)
        return evidence, self._networks.constant("region", evidence, regions)

    def recognise(self, parameters: Parameters, views: Views) -> tuple[Features, Tensor | None]:
        """Features of `views`, masked, and M [B, T, g, g] (None when off); no gradient reaches MNet."""
        masks = None
        if self.settings.mask.enabled:
            with torch.no_grad():
                masks = mask(*self.evidence(parameters, views))
            views = apply_mask(views, masks, self.settings.mask.floor)
        features: Features = self.call("recogniser", parameters, views)
        return features, masks

    def call(self, name: str, parameters: Parameters, *inputs: Any) -> Any:
        """Run one network on `inputs` with its share of `parameters`."""
        return self._networks.call(name, parameters, *inputs)


def kinds(batch: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The kinds of clips in a training batch, in the order in which they are joined."""
    return tuple(kind for kind in ("micro", "macro") if f"{kind}.emotion" in batch)
