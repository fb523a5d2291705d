"""The configuration: pydantic models, loading with human messages, and the schema made from the models."""
