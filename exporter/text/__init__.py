"""
Formatting of numbers and names.
"""
