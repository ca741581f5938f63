"""What bots and workers share: jobs, replies, Redis keys, the ledger and the settings.

Imports neither ``bots`` nor ``worker`` and is neither async nor sync: the ledger describes calls,
and each side runs them with its own Redis client.
"""
