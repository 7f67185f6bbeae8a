"""An index of photographs on the disk, and search in it: what a query needs of each photograph, computed in advance."""
