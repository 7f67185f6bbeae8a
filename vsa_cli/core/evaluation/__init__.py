"""Evaluation: captions against references, rankings, and word scores against ground-truth boxes."""
