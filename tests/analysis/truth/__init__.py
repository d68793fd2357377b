"""
What is true of connections whose options and segments are all known, to hold verdicts against.
"""
