"""
The truth about connections with known options and segments, to be compared with verdicts.
"""
