"""The networks of one configuration, applied to the tensors of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mersearch import stateless
from mersearch.algorithm import Batch, Parameters, Shapes
from trainables.quintuplet.augmentation import Views, augment
from trainables.quintuplet.clips import apply_mask, frames_in_use, join, positions, views_of
from trainables.quintuplet.mnet import MNet, MNetHeads, action_unit_regions, grid, mask
from trainables.quintuplet.recogniser import Features, Recogniser
from trainables.quintuplet.settings import Settings

View = Literal["rgb", "flow"]
AUGMENTATION_SITE, DROPOUT_SITE = 0, 10
RECOGNISER = ("recogniser", "classifier")
MNET = ("mnet", "mnet_heads")


def views_in_use(settings: Settings) -> tuple[View, ...]:
    """The views that are encoded."""
    return ("rgb", "flow") if settings.views == "both" else (settings.views,)


class Model:
    """Networks on the meta device and constants; the parameters come with every call."""

    def __init__(self, settings: Settings, shapes: Shapes) -> None:
        self.settings, self.shapes = settings, shapes
        self.views = views_in_use(settings)
        self._frames = frames_in_use(shapes.frames, settings.frames)
        self._constants: dict[tuple[str, torch.device, torch.dtype], Tensor] = {}
        with torch.device("meta"):
            self._networks = nn.ModuleDict(self._build())

    def _build(self) -> dict[str, nn.Module]:
        settings, shapes = self.settings, self.shapes
        networks: dict[str, nn.Module] = {
            "recogniser": Recogniser(settings, self.views, shapes.size, self._frames),
            "classifier": nn.Linear(settings.encoder.dim, len(shapes.emotions)),
        }
        if settings.mask.enabled:
            units, macro = len(shapes.action_units), len(shapes.macro_emotions) if settings.mask.macro else 0
            networks["mnet"] = MNet(3 * len(self.views), units, settings.mask.width)
            networks["mnet_heads"] = MNetHeads(units, len(shapes.emotions), macro)
        return networks

    def initial(self, key: int) -> Parameters:
        """Fresh parameters `<network>.<parameter>`; only convolutions are followed by a rectifier."""
        linear = [name for name, layer in self._networks.named_modules() if not isinstance(layer, nn.Conv2d)]
        return stateless.initialise(self._networks, key, linear=linear)

    def load(self, batch: Batch, kind: str) -> Views:
        """The frames in use of the clips of one kind, centred: [B, T, 3, H, W]."""
        part = self.settings.quintuplet.macro_part if kind == "macro" else 1.0
        chosen = positions(self.shapes.frames, self._frames, part)
        index = self._constant(kind, batch[f"{kind}.{self.views[0]}"], torch.tensor(chosen))
        settings = self.settings
        return views_of(batch, kind, self.views, index, settings.rgb_input, settings.flow_input)

    def training_views(self, batch: Batch, key: Tensor, step: Tensor) -> Views:
        """Micro clips, then macro clips where the batch has them; augmented."""
        views = self.load(batch, "micro")
        if "macro" in kinds(batch):
            views = join(views, self.load(batch, "macro"))
        return augment(views, self.settings.augmentation, key, step, AUGMENTATION_SITE)

    def evidence(self, parameters: Parameters, views: Views) -> tuple[Tensor, Tensor]:
        """Evidence z [B, T, A, g, g] of `views`, and the regions R [A, g, g]."""
        evidence = self.call("mnet", parameters, list(views.values()))
        cells = grid(self.shapes.size)
        return evidence, self._constant(
            "region", evidence, action_unit_regions(self.shapes.action_units, cells)
        )

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
        prefix = f"{name}."
        own = {key[len(prefix) :]: value for key, value in parameters.items() if key.startswith(prefix)}
        return functional_call(self._networks[name], own, inputs, strict=True)

    def _constant(self, name: str, like: Tensor, value: Tensor) -> Tensor:
        """`value` on the device of `like`, copied there once, and in its precision if it is not an index."""
        place = (name, like.device, like.dtype)
        if place not in self._constants:
            self._constants[place] = value.to(
                like.device, like.dtype if value.is_floating_point() else value.dtype
            )
        return self._constants[place]


def kinds(batch: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The kinds of clips in a training batch, in the order in which they are joined."""
    return ("micro", "macro") if "macro.emotion" in batch else ("micro",)
