"""The tests compute with one thread a process: several that share few cores wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, which reads it then
