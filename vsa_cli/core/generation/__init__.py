"""From descriptors to sentences: the generator, its training and its search."""
