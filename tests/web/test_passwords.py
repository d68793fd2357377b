"""
Users and passwords.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest

from exporter.web.access import AccessControl
from tests.web.conftest import Client, Latest, client_of
from tests.web.secured import remove, replace

pytestmark = pytest.mark.system


@dataclass(frozen=True)
class User:
    """
    A user and the password sent.
    """

    name: str
    password: str

    @property
    def headers(self) -> dict[str, str]:
        """
        The Authorization header.
        """
        credentials = f"{self.name}:{self.password}".encode()
        return {"Authorization": "Basic " + base64.b64encode(credentials).decode()}


ALICE, BOB = User("alice", "wonderland"), User("bob", "p\xe4ss:w\xf6rd" * 9)
COST = 5


def hashed(password: str, cost: int = COST) -> str:
    """
    A hash like that of `htpasswd -nB`.
    """
    text = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode()
    return text.replace("$2b$", "$2y$")


def write(file: Path, **hashes: str) -> None:
    """
    Write a web config with these users.
    """
    lines = (f"  {name}: {password}\n" for name, password in hashes.items())
    replace(file, "".join(["basic_auth_users:\n", *lines]))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """
    A web config with two users.
    """
    file = tmp_path / "web.yml"
    write(file, alice=hashed(ALICE.password), bob=hashed(BOB.password))
    return file


@pytest.fixture
async def client(file: Path, latest: Latest) -> AsyncIterator[Client]:
    """
    A client of an exporter with users.
    """
    access = AccessControl(file)
    async with client_of(latest.app(access=access), access) as client:
        yield client


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """
    The hashes that passwords were compared with.
    """
    compare, seen = bcrypt.checkpw, []

    def counting(password: bytes, hashed: bytes) -> bool:
        seen.append(hashed)
        return compare(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    return iter([seen])


async def status(client: Client, user: User | None = None) -> int:
    """
    The status of the response, with or without a user.
    """
    async with client.get("/metrics", headers=user.headers if user else {}) as response:
        return response.status


@pytest.mark.parametrize(
    "path", ["/metrics", "/", "/-/healthy", "/-/ready", "/absent", "/-/static/style.css"]
)
async def test_nothing_without_password(client: Client, path: str) -> None:
    """
    Without a password, every path returns the same 401 without details.
    """
    async with client.get(path) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == (
            'Basic realm="tcp-keepalive-exporter", charset="UTF-8"'
        )
        assert "Server" not in response.headers
        assert await response.text() == "Unauthorized.\n"


async def test_users(client: Client) -> None:
    """
    Each user has a password, of which bcrypt uses the first 72 bytes.
    """
    assert await status(client, ALICE) == 200
    assert await status(client, BOB) == 200
    assert await status(client, User("bob", BOB.password[:60])) == 200
    assert await status(client, User("bob", BOB.password[:50])) == 401


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "Wonderland"),
        ("alice", ""),
        ("alice", BOB.password),
        ("Alice", "wonderland"),
        ("mallory", "wonderland"),
        ("", ""),
        ("alice", "wonder\0land"),
    ],
)
async def test_wrong(client: Client, name: str, password: str) -> None:
    """
    Wrong users and passwords are rejected, repeatedly.
    """
    for _ in range(2):
        assert await status(client, User(name, password)) == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic \xff",
        "Bearer " + base64.b64encode(b"alice:wonderland").decode(),
        "Basic " + base64.b64encode(b"alice").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Digest username=alice",
        "Basic " + "A" * 8000,
    ],
)
async def test_no_credentials(client: Client, header: str) -> None:
    """
    Invalid Authorization headers are rejected.
    """
    async with client.get("/metrics", headers={"Authorization": header}) as response:
        assert response.status == 401


async def test_scheme_in_any_case(client: Client) -> None:
    """
    The scheme's name is case-insensitive.
    """
    value = "bAsIc " + base64.b64encode(b"alice:wonderland").decode()
    async with client.get("/metrics", headers={"Authorization": value}) as response:
        assert response.status == 200


async def test_compared_once(client: Client, comparisons: Iterator[list[bytes]]) -> None:
    """
    A correct password is compared once and then cached. Wrong ones are compared every time, with
    the same cost for unknown users.
    """
    seen = next(comparisons)
    for _ in range(3):
        assert await status(client, ALICE) == 200
    assert len(seen) == 1
    for name in ("alice", "mallory"):
        assert await status(client, User(name, "wrong")) == 401
    assert len(seen) == 3
    assert [password.split(b"$")[2] for password in seen] == [b"05"] * 3


async def test_comparison_does_not_block(file: Path, latest: Latest) -> None:
    """
    While a password is compared, other requests are served.
    """
    write(file, alice=hashed(ALICE.password), tortoise=hashed("slow", cost=13))
    access = AccessControl(file)
    async with client_of(latest.app(access=access), access) as client:
        assert await status(client, ALICE) == 200
        comparing = asyncio.create_task(status(client, User("tortoise", "slow")))
        await asyncio.sleep(0.05)
        assert await status(client, ALICE) == 200
        assert not comparing.done()
        assert await comparing == 200


async def test_flood_of_passwords(file: Path, latest: Latest) -> None:
    """
    Too many concurrent wrong passwords get 503. Users with cached passwords are still served.
    """
    write(file, alice=hashed(ALICE.password, cost=8))
    access = AccessControl(file)
    async with client_of(latest.app(access=access), access) as client:
        assert await status(client, ALICE) == 200
        flood = [
            asyncio.create_task(status(client, User("alice", f"guess {number}")))
            for number in range(60)
        ]
        await asyncio.sleep(0.05)
        assert await status(client, ALICE) == 200
        assert {401, 503} == set(await asyncio.gather(*flood))


async def test_password_changed(client: Client, file: Path) -> None:
    """
    After a change of the file, the old password is rejected at the next request.
    """
    assert await status(client, ALICE) == 200
    write(file, alice=hashed("looking-glass"))
    assert await status(client, ALICE) == 401
    assert await status(client, User("alice", "looking-glass")) == 200


@pytest.mark.parametrize("text", ["basic_auth_users: {alice: plain}", "{", ""])
async def test_broken_file(client: Client, file: Path, text: str) -> None:
    """
    With an invalid or missing file, the previous users and passwords are kept.
    """
    assert await status(client, ALICE) == 200
    replace(file, text) if text else remove(file)
    assert await status(client, ALICE) == 200
    assert await status(client, BOB) == 200
    assert await status(client) == 401
