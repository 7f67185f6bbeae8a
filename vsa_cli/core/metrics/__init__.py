"""Measures of captions, rankings and alignments: texts and numbers in, numbers out. Knows no files and no models."""
