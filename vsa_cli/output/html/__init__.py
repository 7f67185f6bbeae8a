"""HTML pages of photographs with boxes, and sentences whose words point at the boxes.

Built from plain records (`cards`), and opened from a file without a network. `templates/` holds the HTML, `assets/` the
style sheet, script and typeface. Independent of models.
"""
