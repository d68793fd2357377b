"""
Discovery, naming and entering of network namespaces.
"""
