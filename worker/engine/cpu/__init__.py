"""A small engine for processors: int8 weights, one compiled step for everybody's tokens.

``blocks`` divides the cache, ``sequences`` says what is in it and what the next step computes,
``network`` computes it, ``sampling`` chooses the tokens, ``batch`` runs the loop, ``quality``
refuses int8 where it costs too much. See docs/decisions/0014-engine-for-processors.md.
"""
