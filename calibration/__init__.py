"""History, priors and shipped fits of the models."""
