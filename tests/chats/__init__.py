"""What a chat shows of a message: its markup read as the platform's apps read it."""
