"""The remote engine: models on a server of their own, behind the interface of our engines."""
