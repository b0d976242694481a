"""Dockerfiles, the container to develop in, and what is checked before a commit."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / 'docker').glob('Dockerfile*'))


def test_there_are_images_for_robots_with_and_without_a_jetson():
    assert [path.name for path in DOCKERFILES] == ['Dockerfile', 'Dockerfile.jetson']


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_what_an_image_copies_and_starts_is_there(path):
    text = path.read_text(encoding='utf-8')
    for sources in re.findall(r'^COPY (.+) \S+$', text, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())
    (entry,) = re.findall(r'^ENTRYPOINT \["/opt/fol_vpr/src/fol_vpr/(.+)"\]', text, re.MULTILINE)
    assert os.access(ROOT / entry, os.X_OK)
    for name in re.findall(r"grep -o '\^(\w+)==", text):
        assert re.search(rf'^{name}==', (ROOT / 'requirements.txt').read_text(), re.MULTILINE)


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_an_image_passes_the_linter(path):
    if (hadolint := shutil.which('hadolint')) is None:
        pytest.skip('hadolint is not on the PATH')
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_container_to_develop_in_calls_a_target_of_the_makefile():
    container = json.loads((ROOT / '.devcontainer' / 'devcontainer.json').read_text())
    target = container['postCreateCommand'].removeprefix('make ')
    assert re.search(rf'^{target}:', (ROOT / 'Makefile').read_text(), re.MULTILINE)


def test_a_commit_is_checked_as_make_lint_does():
    config = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    hooks = [hook for repo in config['repos'] for hook in repo['hooks']]
    (lint,) = re.findall(r'^lint:.*\n\t(.+)$', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    called = [hook['entry'].split(' --')[0] for hook in hooks]
    assert called == re.findall(r'ruff check|ruff format|mypy', lint)
