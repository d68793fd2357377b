"""
The generated parts of docs/: `make docs` writes them, a test compares them.
"""
