"""Names of what regions show."""
