"""Data URLs, for self-contained pages."""

import base64


def data_url(media_type, content):
    """Return bytes as a data URL of a media type, such as ``image/png``."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
