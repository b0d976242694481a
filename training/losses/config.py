"""Weights and parameters of the losses."""

from __future__ import annotations

from dataclasses import dataclass

from fol_vpr.config import Checked, setting

VARIANTS = ('paper', 'released')


def _weight(default: float, of: str) -> float:
    text = f'Weight of {of}; 0 switches it off.'
    value: float = setting(default, text, minimum=0, maximum=1e6)
    return value


def _variant(of: str) -> str:
    text = f'{of}: as the paper means it, or as the released training code computes it.'
    value: str = setting('paper', text, choices=VARIANTS)
    return value


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weights and parameters of `FoLLoss`.

    The paper's weights are not public. The defaults here are our choice: each term starts with a
    gradient of a tenth to a third of that of the multi-similarity loss, as `python -m
    benchmarks loss_gradients` shows. `LossConfig.released()` is what the released training code
    does.
    """

    multi_similarity: float = _weight(1.0, 'the multi-similarity loss of global descriptors')
    local: float = _weight(1.0, 'the triplet loss of mutual nearest local descriptors')
    alignment: float = _weight(0.1, 'SAL, which brings the two masks together')
    contrast: float = _weight(1.0, 'CEL, which sets foreground against background')
    correspondence: float = _weight(0.1, 'the pseudo-correspondences of local descriptors')

    twins: float = _weight(0.0, 'known correspondences, for random weights (ours; data.twins)')

    views: float = _weight(
        0.0, 'known correspondences of two photographs of a place, where there is depth (ours)'
    )

    supervised_contrast: float = _weight(
        0.0, 'the supervised contrastive loss of global descriptors, for random weights (not FoL)'
    )

    distillation: float = _weight(
        0.0, 'what the similarities of the teachers differ by (ours; distillation.teachers)'
    )

    local_variant: str = _variant('The local triplet loss')
    alignment_variant: str = _variant('SAL')
    contrast_variant: str = _variant('CEL')
    correspondence_variant: str = _variant('Pseudo-correspondences')

    dense_stride: int = setting(
        4,
        'Every how many positions of the dense grid the local triplet loss takes a descriptor: 4 '
        'is one for each patch, at its centre; 1 is all of them, at 256 times the work.',
        minimum=1,
        maximum=4,
    )
    local_margin: float = setting(
        0.1,
        'By how much the positive has to be more similar than the negative. Released: 0.',
        minimum=0,
        maximum=2,
    )
    local_threshold: float = setting(
        0.7, 'Cosine from which mutual nearest neighbours count.', minimum=-1, maximum=1
    )
    local_softness: float = setting(
        0.1,
        'Width in cosine of the soft threshold that lets matches below it count a little, so '
        'that a network learns which has none above. Not of the released variant.',
        minimum=1e-6,
        maximum=10,
    )
    contrast_temperature: float = setting(
        0.1, 'Temperature of the cosines in CEL.', minimum=1e-3, maximum=10
    )
    contrast_features: bool = setting(
        False,
        'Let CEL move the local descriptors too, not only the masks. One direction for all '
        'foreground and another for all background would please it, and match nothing.',
    )
    correspondence_agreement: float = setting(
        0.8,
        'Least cosine of the patch features of a pseudo-correspondence.',
        minimum=-1,
        maximum=1,
    )
    correspondence_ratio: float = setting(
        0.9,
        'Largest ratio of 1 - cosine of a pseudo-correspondence to that of the next best one of '
        'either patch. The released variant asks for twice the cosine instead.',
        minimum=0,
        maximum=1,
    )

    twins_temperature: float = setting(
        0.07, 'Temperature of the cosines of twins and views.', minimum=1e-3, maximum=10
    )

    supervised_temperature: float = setting(
        0.1, 'Temperature of the cosines of global descriptors.', minimum=1e-3, maximum=10
    )

    distillation_temperature: float = setting(
        0.07,
        'Temperature of the cosines of teachers and of the network that learns from them. Lower '
        'lets the most similar images count alone.',
        minimum=1e-3,
        maximum=10,
    )

    @classmethod
    def released(cls) -> LossConfig:
        """The variants and weights of the released training code."""
        return cls(
            alignment=5e-3,
            contrast=1.0,
            correspondence=0.01,
            local_variant='released',
            alignment_variant='released',
            contrast_variant='released',
            correspondence_variant='released',
            dense_stride=1,
            local_margin=0.0,
        )
