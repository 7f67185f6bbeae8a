"""Everything that is shown or written for people and programs. Knows the core; the core does not know it."""
