"""All that imports discord.py: its objects stop here, and plain data comes out."""
