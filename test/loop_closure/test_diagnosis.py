"""Each outcome of an image names the limit that it failed, and the parameters to look at."""

from dataclasses import replace

import numpy as np
import pytest

from fol_vpr.config import RecognizerConfig, VerificationConfig, setting_of
from fol_vpr.datatypes import Place, PlaceHypothesis, Verification
from fol_vpr.loop_closure import LoopDiagnosis, LoopOutcome
from fol_vpr.loop_closure.diagnosis import failed_verification

CONFIG = RecognizerConfig(verification=VerificationConfig(min_inliers=20, min_regions=10))


def revisit(matches=0, inliers=0, regions=0) -> PlaceHypothesis:
    return PlaceHypothesis(
        Place(0, 'a/0', 'a', 1, '', (10, 10)),
        0,
        0.5,
        inliers=inliers,
        regions=regions,
        query_xy=np.zeros((matches, 2)),
        verification=Verification.LOCAL,
    )


@pytest.mark.parametrize(
    ('values', 'outcome'),
    [
        ((0, 0, 0), LoopOutcome.NO_MATCHES),
        ((90, 19, 19), LoopOutcome.FEW_INLIERS),
        ((90, 30, 9), LoopOutcome.FEW_REGIONS),
        ((90, 25, 12), LoopOutcome.LOW_INLIER_RATIO),
    ],
)
def test_the_limit_that_the_best_revisit_failed(values, outcome):
    """The weaker second revisit does not count."""
    assert failed_verification([revisit(), revisit(*values)], CONFIG) is outcome


def test_every_parameter_is_a_setting():
    for outcome in LoopOutcome:
        for name in outcome.parameters:
            setting_of(CONFIG, name)


def test_counts_in_words_name_parameters_and_values():
    diagnosis = LoopDiagnosis()
    for inliers in (7, 12, 3):
        diagnosis.add(LoopOutcome.FEW_INLIERS, [revisit(50, inliers, inliers)])
    verified = replace(revisit(), inliers=80, verification=Verification.GEOMETRY)
    diagnosis.add(LoopOutcome.KNOWN_PAIR, [verified])
    first, second = diagnosis.copy().lines(CONFIG)
    assert first.startswith('3 images: too few inliers with the best keyframe (at most 12)')
    assert 'verification.min_inliers (20)' in first
    assert second.endswith('published before')
    told = diagnosis.as_json(CONFIG)
    assert told[0]['outcome'] == 'FEW_INLIERS' and told[0]['images'] == 3
    assert told[0]['parameters']['verification.min_inliers'] == 20
