"""Regions described by other programs: import and export."""
