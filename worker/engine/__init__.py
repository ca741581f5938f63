"""The engine: the only package that loads weights and runs a forward step."""
