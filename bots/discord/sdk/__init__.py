"""Discord's SDK: the only code that imports discord.py; it returns plain data."""
