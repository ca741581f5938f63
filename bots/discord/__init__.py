"""Discord: ``parse``, ``views`` and ``handlers`` know its payloads; only ``sdk`` calls its API."""
