"""
Judgement: pure functions of what was read, without any I/O.
"""
