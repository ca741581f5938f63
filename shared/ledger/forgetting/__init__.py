"""Forgetting: what is kept of a person or of a workspace is found and deleted, in small steps.

docs/privacy.md lists every key with what it may hold of a person. ``people`` and ``workspaces``
delete, as steps that either side runs and that may be begun again after a process was killed.
``pending`` keeps what was asked for until it is done.
"""
