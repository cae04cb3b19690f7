"""What can be told of a model before anyone believes it: its units, its rest, its step."""
