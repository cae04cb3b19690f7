"""Exchange of models with other system-dynamics programs."""
