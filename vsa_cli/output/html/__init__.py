"""HTML pages of photographs with boxes, and sentences whose words point at the boxes.

Pages are built from plain records (`cards`) and need no network. `templates/` holds the HTML, `assets/` the style
sheet, script and typeface. This folder does not depend on models.
"""
