"""Everything that is shown or written for people and programs. Imports core; core does not import it."""
