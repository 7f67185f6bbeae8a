"""Regions in the file formats of other programs: import and export."""
