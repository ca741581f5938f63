"""The only place that loads weights and runs a forward step."""
