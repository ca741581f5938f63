"""The bots: platform clients on asyncio, which hold the tokens. No ``worker`` and no torch here."""
