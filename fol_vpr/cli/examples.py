"""Commands that stand at the end of `--help` of the verbs that are used most."""

from __future__ import annotations

EXAMPLES = {
    'fol_vpr map build': (
        'fol_vpr map build --images photos --output campus.folmap',
        'fol_vpr map build --bag drive --pose-topic /odom --output site.folmap \\\n'
        '    --store-images',
    ),
    'fol_vpr map show': ('fol_vpr map show campus.folmap --output campus.html',),
    'fol_vpr query': (
        'fol_vpr query photo.jpg --map campus.folmap',
        'fol_vpr query photo.jpg --map campus.folmap --picture answer.png',
    ),
    'fol_vpr evaluate': (
        'fol_vpr evaluate --map campus.folmap --queries photos \\\n'
        '    --ground-truth right.csv --json result.json',
        'fol_vpr evaluate --map site.folmap --queries evening --sequence \\\n'
        '    --pose-topic /ground_truth --odom-topic /odom --positive-radius 5 \\\n'
        '    --report evening.html',
    ),
    'fol_vpr calibrate': (
        'fol_vpr calibrate --map site.folmap --bag overcast \\\n'
        '    --pose-topic /ground_truth --odom-topic /odom',
    ),
    'fol_vpr loops': (
        'fol_vpr loops --bag drive --odom-topic /odom --output closures.csv',
        'fol_vpr loops --bag drive --odom-topic /odom --pose-topic /ground_truth \\\n'
        '    --json closures.json --report closures.html',
    ),
    'fol_vpr compare': (
        'fol_vpr compare before.json after.json',
        'fol_vpr compare before.json after.json --output comparison.html',
    ),
}
"""By the program and verb; lines end within 80 columns."""
