"""The alignment model: regions and words as vectors in one space, whose inner products are their similarity."""
