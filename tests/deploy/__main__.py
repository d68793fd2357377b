"""
Write the generated files of deploy/: `make docs`.
"""

from tests.deploy import chart, cloud_init
from tests.exporter_process import ROOT

for file, text in (
    (chart.MANIFESTS, chart.plain_manifests()),
    (cloud_init.FILE, cloud_init.user_data()),
):
    file.write_text(text, encoding="utf-8")
    print(f"wrote {file.relative_to(ROOT)}")
