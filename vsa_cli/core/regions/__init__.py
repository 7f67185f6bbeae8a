"""Boxes in photographs and the CNN's description of each: `regions.h5`."""
