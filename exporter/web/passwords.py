"""
The users of the web config and their passwords.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

_MOST_BYTES = 72
"""bcrypt takes no more of a password into account, and its Python package refuses more."""
_MOST_WAITING = 16
"""Comparisons that may wait for their turn, a few seconds' worth."""


class BusyError(Exception):
    """
    So many passwords wait to be compared that another one is not.
    """


class Passwords:
    """
    Compares passwords with their bcrypt hashes, of which there is one at least.

    A comparison takes a tenth of a second by design, for a user that does not exist too. It is done
    in a thread, one at a time; the right password is remembered, for scrapes show it again and
    again.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._of_nobody = next(iter(self._hashes.values()))
        self._right: dict[bytes, bytes] = {}
        self._key = secrets.token_bytes(32)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0

    async def are_right(self, authorization: str) -> bool:
        """
        Whether an Authorization header has a user's name and password. Raises BusyError.
        """
        scheme, _, encoded = authorization.partition(" ")
        try:
            credentials = base64.b64decode(encoded, validate=True)
        except ValueError:
            return False
        if scheme.lower() != "basic":
            return False
        name, _, password = credentials.partition(b":")
        # With a key of the process's own, so that nobody can try passwords on a dump of its memory.
        digest = hashlib.blake2b(credentials, key=self._key).digest()
        if secrets.compare_digest(self._right.get(name, b""), digest):
            return True
        right = await self._compare(password, self._hashes.get(name, self._of_nobody))
        if right and name in self._hashes:
            self._right[name] = digest
            return True
        return False

    def close(self) -> None:
        """
        Let go of the thread.
        """
        self._worker.shutdown(wait=False)

    async def _compare(self, password: bytes, hashed: bytes) -> bool:
        if self._waiting >= _MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, _equal, password, hashed)
        finally:
            self._waiting -= 1


def _equal(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # noqa: PLC0415  few have users

    try:
        return bcrypt.checkpw(password[:_MOST_BYTES], hashed)
    except ValueError:  # older versions refuse zero bytes
        return False
