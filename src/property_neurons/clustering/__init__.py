"""Groups found without labels: clusters in place of phones or of a property's groups (arXiv 2506.21712)."""
