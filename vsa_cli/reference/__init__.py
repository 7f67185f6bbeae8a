"""Man pages and shell completions, generated from the app itself."""
