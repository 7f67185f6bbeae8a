"""Boxes in photographs, and a CNN descriptor of each: `regions.h5`.

photograph -> detectors (boxes) -> features (descriptors) -> encoder -> cache, or extract -> store (regions.h5)
              proposals, ssd       cnn
regions of other programs <-> interchange <-> store

The descriptor of a box is the vector of features that the CNN computes for it; proposals are candidate boxes.
"""
