"""Reading of Vensim's .mdl files."""
