"""The weighted sum of all losses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from training.losses.alignment import alignment_loss
from training.losses.config import LossConfig
from training.losses.contrast import contrast_loss
from training.losses.correspondence import correspondence_loss
from training.losses.descriptors import (
    distillation_loss,
    multi_similarity_loss,
    supervised_contrast_loss,
)
from training.losses.inputs import LossInputs
from training.losses.local import local_triplet_loss
from training.losses.twins import twin_loss, view_loss

LOSSES = (
    'multi_similarity',
    'local',
    'alignment',
    'contrast',
    'correspondence',
    'twins',
    'views',
    'supervised_contrast',
    'distillation',
)


class FoLLoss(nn.Module):
    """Multi-similarity + local triplet + λ₁ SAL + λ₂ CEL + λ₃ pseudo-correspondence (FoL, paper).

    And four more, off by default: `twins` and `supervised_contrast`, for networks that begin with
    random weights, `views`, for places of known depth, and `distillation`, from other networks.
    Each is computed in float32, also under autocast, and not at all where its weight is 0. SAL,
    CEL and pseudo-correspondences are means over images or pairs of images within places: for
    equal shares of whole places they are the same on one process and, averaged, on several. The
    first two look across places, for negatives.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config

    def losses(self) -> dict[str, Callable[[LossInputs], Tensor]]:
        """The losses that have a weight, each unweighted and with its settings."""
        config = self.config
        losses: dict[str, Callable[[LossInputs], Tensor]] = {
            'multi_similarity': multi_similarity_loss,
            'local': partial(
                local_triplet_loss,
                variant=config.local_variant,
                stride=config.dense_stride,
                margin=config.local_margin,
                threshold=config.local_threshold,
                softness=config.local_softness,
            ),
            'alignment': partial(alignment_loss, variant=config.alignment_variant),
            'contrast': partial(
                contrast_loss,
                variant=config.contrast_variant,
                temperature=config.contrast_temperature,
                train_features=config.contrast_features,
            ),
            'correspondence': partial(
                correspondence_loss,
                variant=config.correspondence_variant,
                agreement=config.correspondence_agreement,
                ratio=config.correspondence_ratio,
            ),
            'twins': partial(twin_loss, temperature=config.twins_temperature),
            'views': partial(view_loss, temperature=config.twins_temperature),
            'supervised_contrast': partial(
                supervised_contrast_loss, temperature=config.supervised_temperature
            ),
            'distillation': partial(
                distillation_loss, temperature=config.distillation_temperature
            ),
        }
        return {name: loss for name, loss in losses.items() if getattr(config, name) > 0}

    def forward(self, inputs: LossInputs) -> tuple[Tensor, dict[str, Tensor]]:
        """The total, and its parts: each `name` unweighted, and weighted as `name_weighted`."""
        # Parameters that no loss reaches get a gradient all the same: DDP waits for it.
        total, parts = inputs.zero(), {}
        for name, loss in self.losses().items():
            value = loss(inputs)
            weighted = getattr(self.config, name) * value
            parts[name] = value.detach()
            parts[f'{name}_weighted'] = weighted.detach()
            total = total + weighted
        return total, parts
