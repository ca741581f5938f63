"""Sentiment: messages are rated, the ratings are stored without text, and plotted on request."""
