"""Reading of XMILE files."""
