"""
Paths with an idle timeout, and their assignment to connections.
"""
