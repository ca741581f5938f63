"""Incoming side: decides whether a message is for Parley, and which job it becomes."""
