"""
Write the generated parts and pictures of the docs: `make docs`.
"""

from tests.docs import picture, screenshot
from tests.docs.generated import ROOT, files, regenerate

for file in files():
    file.write_text(regenerate(file), encoding="utf-8")
    print(f"wrote {file.relative_to(ROOT)}")
for name in picture.PICTURES:
    picture.picture_file(name).write_text(picture.draw(name), encoding="utf-8")
    print(f"wrote {picture.picture_file(name).relative_to(ROOT)}")
screenshot.FILE.write_bytes(screenshot.draw())
print(f"wrote {screenshot.FILE.relative_to(ROOT)}")
