"""Hook of the documentation site: the figures of the loss explorer take the plotly.js that the package carries."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

BUNDLE = Path(__file__).parent / "src/tailwise/report/assets/plotly-basic.min.js"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the bundle to the site without a second copy of it in the repository."""
    files.append(File.generated(config, f"assets/explorer/{BUNDLE.name}", abs_src_path=str(BUNDLE)))
    return files
