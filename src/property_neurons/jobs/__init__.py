"""What every workflow job does: its log, its locks, its device, the fingerprint of its code."""
