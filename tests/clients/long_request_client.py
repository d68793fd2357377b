"""
A request whose answer takes long, with a client from docs/long-requests.md.

Usage: `python -m tests.clients.long_request_client LIBRARY URL plain|fixed`
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from tests.clients.long_request_fixes import SECONDS, python_fix
from tests.clients.program import answer

_PLAIN = {
    "httpx": "import httpx\nclient = httpx.Client(timeout=600)",
    "urllib3": "import urllib3\nclient = urllib3.PoolManager(timeout=600)",
    "requests": "import requests\nclient = requests.Session()",
    "openai": "import openai\nclient = openai.OpenAI(timeout=600, max_retries=0)",
    "botocore": (
        "from botocore.config import Config\nfrom botocore.session import Session\n"
        "config = Config(read_timeout=600, retries={'max_attempts': 0})\n"
        "client = Session().create_client('lambda', config=config)"
    ),
}
_USES: dict[str, Callable[[Any, str], object]] = {
    "httpx": lambda client, url: client.get(url).raise_for_status(),
    "urllib3": lambda client, url: client.request("GET", url, retries=False),
    "requests": lambda client, url: client.get(url, timeout=SECONDS["600"]).raise_for_status(),
    "openai": lambda client, _: client.chat.completions.create(
        model="any", messages=[{"role": "user", "content": "hello"}]
    ),
    "botocore": lambda client, _: client.invoke(FunctionName="any"),
}


def make(library: str, url: str, kind: str) -> Callable[[], object]:
    """
    A function that makes a request.
    """
    os.environ |= {
        "OPENAI_API_KEY": "any",
        "OPENAI_BASE_URL": url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": url,
        "NO_PROXY": "*",
    }
    names: dict[str, Any] = {}
    exec(python_fix(library, plain=_PLAIN[library] if kind == "plain" else None), names)
    return lambda: _USES[library](names["client"], url)


if __name__ == "__main__":
    library, url, kind = sys.argv[1:]
    use = make(library, url, kind)
    answer(lambda: use)
