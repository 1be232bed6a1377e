"""What notebooks show: figures that are saved as well, tables, and sentences. The only module that needs IPython."""

import html
from pathlib import Path

from IPython.display import HTML, Markdown

from semsim.figures.style import save_figure
from semsim.html.urls import data_url


class Gallery:
    """Shows figures in a notebook and keeps each as PNG and PDF.

    Parameters
    ----------
    folder : path-like
        Where figures are saved.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def show(self, figure, name, alt):
        """Save a figure under a name and return it for display.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        name : str
            Of the files, without a suffix.
        alt : str
            What it shows, for those who cannot see it.
        """
        return self._image(save_figure(figure, self.folder / name), alt)

    def show_saved(self, name, alt):
        """Return a figure that an earlier stage saved, for display."""
        return self._image(self.folder / f"{name}.png", alt)

    def _image(self, path, alt):
        """Return a picture as HTML: the pages that nbconvert makes drop the alternative text of any other kind."""
        source = data_url("image/png", path.read_bytes())
        return HTML(f'<img src="{source}" alt="{html.escape(alt)}" style="width: 100%; max-width: 62rem">')


def say(sentences):
    """Return sentences as a list for display."""
    return Markdown("\n".join(f"- {sentence}" for sentence in sentences))
