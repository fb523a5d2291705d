"""The most active neurons of each frame: ranking, extraction from a model, and the stored ranks."""
