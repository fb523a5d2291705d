"""Speech Transformers: loading, front ends, and where each architecture keeps its feed-forward neurons."""
