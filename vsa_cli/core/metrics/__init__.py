"""Metrics of captions, rankings and phrase grounding, computed from texts and numbers, without a model."""
