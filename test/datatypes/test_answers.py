"""What answers say of themselves."""

from __future__ import annotations

from fol_vpr.datatypes import Cause


def test_every_cause_has_words_of_its_own():
    words = [cause.in_words for cause in Cause]
    assert all(words) and len(set(words)) == len(words)
