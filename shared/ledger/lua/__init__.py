"""The ledger's longer atomic steps, in Lua."""
