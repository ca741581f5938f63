"""OpenVINO GenAI as the engine for processors, in a process of its own beside the worker's.

Its steps hold Python's global lock, so in the worker's process they would stop everything else; in
its own it uses every core, and a crash in it costs a restart of the batch, not of the worker.
"""
