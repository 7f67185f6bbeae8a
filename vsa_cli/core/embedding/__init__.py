"""The shared space: regions and words as vectors whose inner products say what belongs together."""
