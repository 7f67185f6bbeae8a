"""The corpus: images, sentences, splits and vocabulary, in `corpus.json`."""
