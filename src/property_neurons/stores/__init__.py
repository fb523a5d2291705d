"""Writing stores that are complete or absent, and reading that notices damage."""
