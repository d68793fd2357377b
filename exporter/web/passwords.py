"""
Verification of passwords of the web config.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

_MAX_BYTES = 72
"""bcrypt ignores further bytes, and its Python package rejects longer passwords."""
_MAX_WAITING = 16
"""Maximum number of waiting comparisons; they take a few seconds."""


class PasswordQueueFullError(Exception):
    """
    Too many password comparisons are waiting.
    """


class PasswordVerifier:
    """
    Compares passwords with bcrypt hashes. Requires at least one user.

    A comparison takes about 0.1 s by design, also for users that do not exist. It runs in a thread,
    one at a time. Correct passwords are cached, because every scrape sends one.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._dummy_hash = next(iter(self._hashes.values()))
        self._cache: dict[bytes, bytes] = {}
        self._key = secrets.token_bytes(32)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0

    async def are_right(self, authorization: str) -> bool:
        """
        Whether an Authorization header has valid credentials. Raises PasswordQueueFullError.
        """
        scheme, _, encoded = authorization.partition(" ")
        try:
            credentials = base64.b64decode(encoded, validate=True)
        except ValueError:
            return False
        if scheme.lower() != "basic":
            return False
        name, _, password = credentials.partition(b":")
        # Keyed per process, so that passwords cannot be guessed from a memory dump.
        digest = hashlib.blake2b(credentials, key=self._key).digest()
        if secrets.compare_digest(self._cache.get(name, b""), digest):
            return True
        correct = await self._compare(password, self._hashes.get(name, self._dummy_hash))
        if correct and name in self._hashes:
            self._cache[name] = digest
            return True
        return False

    def close(self) -> None:
        """
        Stop the thread.
        """
        self._worker.shutdown(wait=False)

    async def _compare(self, password: bytes, hashed: bytes) -> bool:
        if self._waiting >= _MAX_WAITING:
            raise PasswordQueueFullError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, _equal, password, hashed)
        finally:
            self._waiting -= 1


def _equal(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # noqa: PLC0415  rarely used

    try:
        return bcrypt.checkpw(password[:_MAX_BYTES], hashed)
    except ValueError:  # older versions reject zero bytes
        return False
