"""Reading and writing files: artifact metadata, JSON, text, atomic writes, photographs, and a thread pool."""
