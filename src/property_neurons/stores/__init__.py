"""Writing that is whole or absent, and reading that notices damage."""
