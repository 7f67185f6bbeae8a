"""`vsa`: captions photographs, searches them by sentence, shows which words belong to which region."""

__version__ = "0.1.0"
