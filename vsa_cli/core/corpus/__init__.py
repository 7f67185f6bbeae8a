"""Photographs and sentences, made one file: `corpus.json`."""
