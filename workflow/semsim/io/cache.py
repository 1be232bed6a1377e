"""The folder of what is downloaded once and shared by all studies."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for downloads: that of the environment variable SEMSIM_CACHE, else the user's cache."""
    from platformdirs import user_cache_dir  # which notebooks and statistics do without

    return Path(os.environ.get("SEMSIM_CACHE") or user_cache_dir("semsim")).expanduser().absolute()
