"""Which neurons are most active in which frame: ranking, extraction from a model, and the stored ranks."""
