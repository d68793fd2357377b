"""
Write the dashboards' JSON: `make dashboards`.
"""

from dashboards.files import files

for path, text in files().items():
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.name}")  # noqa: T201  a command
