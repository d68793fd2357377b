"""
The judge, held against sequences that the kernel shows and against a simulated kernel.
"""
