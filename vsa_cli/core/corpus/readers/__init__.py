"""Readers of caption files, one a format, and the detection of the format."""
