"""The worker: the process with the model. Celery threads around one engine; one process per GPU.

Synchronous. Never imports ``bots``, discord or slack; needs Redis and a model, nothing else.
"""
