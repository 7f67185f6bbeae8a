"""Programs that try to break `vsa`, run by hand: `python -m tests.survival.NAME`.

They print figures, and exit with code 1 if they find a fault. Short forms of them run in the test suite, in
tests/test_survival.py.
"""
