"""What a model's files or its server say of it, without its weights."""
