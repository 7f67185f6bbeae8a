"""Pages for people: photographs, their boxes, and sentences whose words show where they look.

Takes plain records (`plates`), gives HTML that opens from a file with no network. Knows no model and no corpus file;
what is drawn was decided upstream. `look/` holds the style, the script and the typeface that every page shares.
"""
