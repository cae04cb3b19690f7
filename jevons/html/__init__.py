"""One page that a sceptic can read from top to bottom, made from tables alone."""
