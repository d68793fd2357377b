"""
The output of `fix`: keepalive settings in the format of each target, with instructions; and the
clients whose settings are known.
"""
