"""From a parsed model file to a model."""
