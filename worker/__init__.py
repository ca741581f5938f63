"""The side with the model: Celery threads around one engine a process, one process a GPU.

Synchronous. Never imports ``bots``, discord or slack; needs Redis and a model, nothing else.
"""
