"""Files that are made to stop who reads them, and what people read of them.

``python -m tests.hostile`` reads each in a reader's process and prints a table; with ``--answers``
sixteen answers are written beside it, and it prints how much longer their pieces take meanwhile.
"""
