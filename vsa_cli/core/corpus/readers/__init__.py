"""Readers of caption files, one per format, and the detection of a file's format."""
