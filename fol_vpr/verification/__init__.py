"""From scores to decisions: geometry of a pair, quality of an image, evidence over time."""

from fol_vpr.verification.decision import Decision
from fol_vpr.verification.geometry import PairGeometry, verify_pair
from fol_vpr.verification.image_quality import ImageQuality, assess_image

__all__ = ['Decision', 'ImageQuality', 'PairGeometry', 'assess_image', 'verify_pair']
