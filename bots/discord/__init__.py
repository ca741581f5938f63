"""Discord: ``text`` reads its markup (pure), ``library`` talks to it."""
