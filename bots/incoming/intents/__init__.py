"""Intents: the phrases that start each task.

A phrase has to match the whole text; with a word too many there is no match. English only.
"""
