"""Measurements that print figures instead of passing or failing; see their docstrings for how to run them."""
