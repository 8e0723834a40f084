"""The networks of one configuration, applied to the tensors of a batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mersearch.algorithm import Batch, Parameters, Shapes
from trainables.blocks.augmentation import Views, augment
from trainables.blocks.clips import frames_in_use, positions, views_of
from trainables.blocks.networks import Networks
from trainables.disentangle.critic import Conditional, Critic
from trainables.disentangle.idnet import IDNet
from trainables.disentangle.information import Estimator
from trainables.disentangle.menet import MENet
from trainables.disentangle.settings import Settings

MENET, IDNET, CRITIC = ("menet", "classifier"), ("idnet", "subjects"), ("critic",)
"""Parameters of MENet with its classifier, of IDNet with its own, and of the critic."""
CLIP_SITE, DROPOUT_SITE, PICTURE_SITE = 0, 10, 20


class Model:
    """Networks on the meta device; the parameters come with every call."""

    def __init__(self, settings: Settings, shapes: Shapes, estimator: Estimator | None) -> None:
        """`estimator` None leaves out IDNet and the critic."""
        self.settings, self.shapes = settings, shapes
        self._frames = frames_in_use(shapes.frames, settings.frames)
        self._networks = Networks(partial(self._build, estimator))

    def _build(self, estimator: Estimator | None) -> dict[str, nn.Module]:
        settings, shapes = self.settings, self.shapes
        motion, identity = settings.encoder.dim, settings.identity
        networks: dict[str, nn.Module] = {
            "menet": MENet(shapes.size, self._frames, settings.encoder, settings.attention),
            "classifier": nn.Linear(motion, len(shapes.emotions)),
        }
        if estimator is not None:
            kind = Critic if estimator.network == "critic" else Conditional
            networks |= {
                "idnet": IDNet(shapes.size, identity.width, identity.dim, identity.global_attention),
                "subjects": nn.Linear(identity.dim, shapes.subjects),
                "critic": kind(motion, identity.dim, settings.information.hidden),
            }
        return networks

    def initial(self, key: int) -> Parameters:
        """Fresh parameters `<network>.<parameter>`."""
        return self._networks.initial(key)

    def call(self, name: str, parameters: Parameters, *inputs: Any) -> Any:
        """Run one network on `inputs` with its share of `parameters`."""
        return self._networks.call(name, parameters, *inputs)

    def load(self, batch: Batch) -> Views:
        """MENet's view of the frames in use: [B, T, 3, H, W]."""
        view = self.settings.view
        chosen = partial(torch.tensor, positions(self.shapes.frames, self._frames))
        index = self._networks.constant("positions", batch[f"micro.{view}"], chosen)
        return views_of(batch, "micro", (view,), index, self.settings.rgb_input, self.settings.flow_input)

    def motion(self, parameters: Parameters, views: Views) -> tuple[Tensor, Tensor]:
        """m [B, D] and the attention maps [B, heads, T, h, w] of `views`."""
        (clip,) = views.values()
        feature, maps = self.call("menet", parameters, clip)
        return feature, maps

    def augmented_motion(
        self, parameters: Parameters, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`motion` of the clips of a training batch, augmented."""
        views = augment(self.load(batch), self.settings.augmentation, key, step, CLIP_SITE)
        return self.motion(parameters, views)

    def picture(self, batch: Batch) -> Views:
        """What IDNet sees: the onset frame around grey, or the mean flow; [B, 1, 3, H, W]."""
        if self.settings.identity.view == "rgb":
            return {"rgb": 2 * batch["micro.rgb"][:, :, :1].transpose(1, 2) - 1}
        return {"flow": batch["micro.flow"].mean(2, keepdim=True).transpose(1, 2)}

    def identity(self, parameters: Parameters, batch: Batch) -> Tensor:
        """z [B, E], of the picture as it is.

        Were it augmented with the clip, both features could share the augmentation, which is not identity.
        """
        (picture,) = self.picture(batch).values()
        feature: Tensor = self.call("idnet", parameters, picture)
        return feature

    def augmented_identity(self, parameters: Parameters, batch: Batch, key: Tensor, step: Tensor) -> Tensor:
        """z [B, E] of augmented pictures, for IDNet's own stage."""
        views = augment(self.picture(batch), self.settings.augmentation, key, step, PICTURE_SITE)
        (picture,) = views.values()
        feature: Tensor = self.call("idnet", parameters, picture)
        return feature
