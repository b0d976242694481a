"""What CITATION.cff and CHANGELOG.md say of the version."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import fol_vpr

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_names_this_version_and_the_paper():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    assert citation['cff-version'] == '1.2.0'
    assert citation['version'] == fol_vpr.__version__
    assert citation['license'] == 'Apache-2.0'
    assert citation['preferred-citation']['year'] == 2025


def test_the_changelog_has_this_version_and_the_sections_of_its_form():
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    assert fol_vpr.__version__ in text
    kinds = {'Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'}
    found = set(re.findall(r'^#### (.+)$', text, re.MULTILINE))
    assert found and found <= kinds
