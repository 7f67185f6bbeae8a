"""Metrics of captions, rankings and phrase grounding, computed from texts and numbers. Knows no files and no models."""
