"""The names of the things that photographs show, and the labeller, which finds them by the descriptors of regions."""
