"""The version of `vsa`, in a file that imports nothing: every artifact records it."""

__version__ = "0.2.0"
