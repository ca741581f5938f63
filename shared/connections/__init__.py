"""How Parley reaches its Redis: addresses, TLS, Sentinel, for ledger and Celery alike."""
