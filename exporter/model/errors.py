"""
What goes wrong in reading, and what follows from it.
"""


class CollectorError(Exception):
    """
    A collector could not read what it publishes; the message says what and why.
    """


class InterruptedReadError(CollectorError):
    """
    What was read changed meanwhile and is not whole: reading again may help.
    """


class VanishedError(CollectorError):
    """
    A network namespace has ended: there is nothing left to read.
    """


class RefusedError(CollectorError):
    """
    A network namespace may not be entered; the message says what is lacking.
    """


class StrandedError(Exception):
    """
    The thread could not come back to the exporter's own network namespace: it must read no more.
    """
