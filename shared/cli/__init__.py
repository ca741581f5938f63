"""The ``parley`` command: starts Redis, the worker and the bots as processes of their own.

Starts them by their command lines alone and imports neither.
"""
