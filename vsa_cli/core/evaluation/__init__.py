"""Scoring what other rooms wrote: captions against references, rankings, alignments against true boxes."""
