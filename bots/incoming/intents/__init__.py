"""The phrases of each task: what a person writes to have something done.

Every phrase has to fit as a whole; a word too many, and it is none. English only.
"""
