"""Harnesses that try to break `vsa`, run by hand: `python -m tests.survival.NAME`.

They print figures, and end in 1 where something did not survive. A small part of each is in the pytest suite, in
tests/test_survival.py.
"""
