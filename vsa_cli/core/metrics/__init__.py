"""Metrics of captions, rankings and phrase grounding, computed from texts and numbers. Independent of models."""
