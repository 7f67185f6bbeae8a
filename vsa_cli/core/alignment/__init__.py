"""Alignment of words with regions: the chain MRF, the snippets it cuts sentences into, and the `Embedder`."""
