"""A small engine for processors: int8 weights, one compiled step for all sequences.

``block_allocator`` divides the cache, ``scheduler`` says what is in it and what the next step
computes, ``model`` computes it, ``sampler`` chooses the tokens, ``batch`` runs the loop, ``load``
refuses int8 where it costs too much. See docs/decisions/0013-engine-for-processors.md.
"""
