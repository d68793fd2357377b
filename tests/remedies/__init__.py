"""
What `fix` prints, and what its consumers make of it.
"""
