"""Files of every kind: envelopes, JSON, atomic writes, photographs, and the threads that read them."""
