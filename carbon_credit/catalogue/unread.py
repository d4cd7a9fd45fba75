"""Files of the library that nothing reads: a misspelt name would otherwise be silence."""

import re
from collections.abc import Iterator
from pathlib import Path

from carbon_credit.catalogue.errors import FileUnread
from carbon_credit.catalogue.personas import FILE as PERSONAS

_READ = re.compile(
    rf"activities\.yaml|{re.escape(PERSONAS)}|(factors|programmes)/[^/]+\.yaml|"
    r"[^/]+/v[1-9][0-9]*/(methodology|cases|overlay)\.yaml"
)


def unread_files(root: Path) -> Iterator[FileUnread]:
    """YAML files under `root` with a name or in a place where nothing looks, in order; cases and overlays
    without their methodology, too."""
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in (".yaml", ".yml")):
        name = path.relative_to(root).as_posix()
        alone = (
            path.name in ("cases.yaml", "overlay.yaml") and not (path.parent / "methodology.yaml").is_file()
        )
        if alone or not _READ.fullmatch(name):
            yield FileUnread(file=name, line=0, key=path.name)
