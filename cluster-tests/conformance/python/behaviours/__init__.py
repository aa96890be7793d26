"""What clients may rely on, one test per behaviour, through pika and at least two nodes.

    python -m behaviours URI... [--http HOST:PORT,...] [--named TEXT]

A module per subject; `support` has what the tests are written with, `__main__` runs them side by side.
"""
