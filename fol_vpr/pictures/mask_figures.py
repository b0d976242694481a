"""What the network looks at in an image, in figures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from fol_vpr.datatypes import Masks


def mask_figures(masks: Masks) -> dict[str, Any]:
    """Shares of attention and of the dustbin, regions and clusters, as values for JSON."""
    kept, total = masks.kept, masks.chosen.size
    regions, _ = cv2.connectedComponents(masks.chosen.astype(np.uint8), connectivity=4)
    return {
        'image_size': list(masks.image_size),
        'input_size': list(masks.input_size),
        'patches': {'rows': masks.chosen.shape[0], 'columns': masks.chosen.shape[1]},
        'attention': {
            'share_of_patches_attended': float((masks.attention > 0).mean()),
            'largest': float(masks.attention.max()),
        },
        'aggregation': {
            'share_to_dustbin': float(1 - kept.mean()),
            'patches_mostly_to_dustbin': int((kept < 0.5).sum()),
            'largest_share_kept': float(kept.max()),
        },
        'regions': {
            'chosen_patches': int(masks.chosen.sum()),
            'share_of_image': float(masks.chosen.sum() / total),
            'connected_regions': regions - 1,
            'local_features': masks.local_features,
        },
        'clusters': {
            'count': len(masks.assignment),
            'leading_somewhere': len(np.unique(masks.leading)),
            'largest': [
                {'cluster': cluster, 'patches': patches}
                for cluster, patches in masks.largest_clusters(10)
            ],
        },
    }
