"""Discord: ``text`` reads its markup (pure), ``client`` talks to it."""
