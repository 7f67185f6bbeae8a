"""Measurements that print figures instead of passing or failing; each says how to run it."""
