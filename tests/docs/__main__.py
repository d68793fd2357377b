"""
Write the generated parts of the docs: `make docs`.
"""

from tests.docs import picture
from tests.docs.generated import ROOT, files, regenerate

for file in files():
    file.write_text(regenerate(file), encoding="utf-8")
    print(f"wrote {file.relative_to(ROOT)}")
picture.FILE.write_text(picture.draw(), encoding="utf-8")
print(f"wrote {picture.FILE.relative_to(ROOT)}")
