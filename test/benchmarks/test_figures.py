"""The script that measures again what depends on the weights, without measuring."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np

from benchmarks import pictures

BENCHMARKS = Path(pictures.__file__).parent
SCRIPT = BENCHMARKS / 'figures.sh'


def test_every_topic_is_written_and_documented():
    text = SCRIPT.read_text(encoding='utf-8')
    block = re.search(r'^TOPICS=\(\n(.*?)^\)', text, re.DOTALL | re.MULTILINE)
    assert block is not None
    topics = re.findall(r'^ +(\w+) \d+$', block[1], re.MULTILINE)
    assert set(topics) == set(re.findall(r'^topic_(\w+)\(\)', text, re.MULTILINE))
    page = (BENCHMARKS / 'results' / 'README.md').read_text(encoding='utf-8')
    section = page.partition('### Measuring again')[2].partition('\n## ')[0]
    cells = ' '.join(re.findall(r'^\| (`[^|]+) \|', section, re.MULTILINE))
    assert re.findall(r'`(\w+)`', cells) == topics


def test_bash_reads_the_script():
    subprocess.run(['bash', '-n', str(SCRIPT)], check=True)


def test_every_picture_of_the_script_is_one_of_the_documentation():
    drawn = re.findall(r'\$pictures/(\w+\.\w+)', SCRIPT.read_text(encoding='utf-8'))
    assert len(drawn) >= 8
    for name in drawn:
        assert (BENCHMARKS.parent / 'docs' / 'pictures' / name).is_file(), name


def test_wide_pictures_are_made_narrower_and_others_left_alone():
    picture = np.zeros((300, 1600, 3), np.uint8)
    assert pictures.narrower(picture, 1280).shape == (240, 1280, 3)
    assert pictures.narrower(picture, 1600) is picture
