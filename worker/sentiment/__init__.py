"""How messages sound: rated, kept without their text, drawn for whoever asks."""
