"""The bot to compare with: plain Celery, slack-bolt and discord.py, as their documentation has it.

It shares nothing with Parley: no ledger, no leases, no outbox. A listener calls ``.delay()``, the
task writes the answer and posts it. The settings of Celery are those that its documentation
recommends for work that must not be lost.
"""
