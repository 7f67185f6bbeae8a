"""Pages for people: photographs, their boxes, and sentences whose words point at boxes.

Takes plain records (`cards`), gives HTML that opens from a file with no network. Knows no model. `assets/` holds the
style, the script and the typeface that all pages share.
"""
