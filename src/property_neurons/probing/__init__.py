"""What the layers of a model know about phones, measured on speakers that the measure was not fitted on."""
