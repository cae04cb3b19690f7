"""Many runs of one model: designs of parameters, runs that survive interruption, summaries, sensitivity."""
