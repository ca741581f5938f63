"""The side with the platforms: asyncio, holds the tokens, never imports ``worker`` or torch."""
