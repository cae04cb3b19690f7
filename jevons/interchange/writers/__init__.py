"""Models written for Vensim and XMILE, with a diagram."""
