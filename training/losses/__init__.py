"""What FoL learns from: five losses over the places of a batch.

    loss = FoLLoss(LossConfig())
    total, parts = loss(LossInputs.of(net.encode(images), labels))

Pure torch, but for the multi-similarity loss and its miner, which are those of
pytorch-metric-learning. Each loss exists as the paper means it and, where the released training
code does something else, as released.
"""

from training.losses.config import LossConfig
from training.losses.inputs import LossInputs
from training.losses.total import LOSSES, FoLLoss

__all__ = ['LOSSES', 'FoLLoss', 'LossConfig', 'LossInputs']
