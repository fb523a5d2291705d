"""What the layers of a model know about phones, measured on other speakers than those used to fit."""
