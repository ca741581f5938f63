"""The prompts of all tasks: a readable file each in ``texts``, with a version and named fields."""
