"""Which words belong to which region: the chain MRF, and the snippets that it cuts sentences into."""
