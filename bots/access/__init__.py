"""Who may ask: the decision, the facts behind it, and what a person who may not reads."""
