"""Evaluation: captions against references, rankings, and alignments against true boxes."""
