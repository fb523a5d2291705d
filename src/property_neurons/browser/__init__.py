"""The neuron browser: tables of what neurons react to, and pages that show and let one hear it."""
