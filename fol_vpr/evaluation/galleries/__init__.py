"""Answers of an evaluation as pictures: which ones are worth a look, and how they are drawn."""

from fol_vpr.evaluation.galleries.choice import (
    KINDS,
    Choice,
    answers_of_kind,
    choose,
    distance_to_reference,
)
from fol_vpr.evaluation.galleries.painting import AnswerPainter, Gallery, GalleryItem, galleries

__all__ = [
    'KINDS',
    'AnswerPainter',
    'Choice',
    'Gallery',
    'GalleryItem',
    'answers_of_kind',
    'choose',
    'distance_to_reference',
    'galleries',
]
