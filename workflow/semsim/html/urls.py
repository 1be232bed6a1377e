"""Data URLs, for self-contained pages."""

from __future__ import annotations

import base64


def data_url(media_type: str, content: bytes) -> str:
    """Return bytes as a data URL of a media type, such as ``image/png``."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
