"""The implementations of the tasks, one module for each kind."""
