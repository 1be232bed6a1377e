"""``semsim score`` and ``semsim compare`` from the command line: what they print and write, and how they stop."""

import base64
import io
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from image_sets import make_sets
from PIL import Image

from semsim import SemSim
from semsim.data.decoding import read_rgb
from semsim.io.tables import read_table
from semsim.learned.card import CARD, WARNING
from semsim.learned.shipped import shipped_weights, training_of, weights_folder
from semsim.scoring import folders
from semsim.scoring.measures import known_metrics
from semsim.scoring.page import MOST_SHOWN, THUMBNAIL

COMMAND = [sys.executable, "-m", "semsim.commands"]
LIBRARY = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "workflow")}
OTHER_WORDS = ("pairs", "datasets", "recognised", "targets", "attacks", "reference", "settings", "recipe")
CARD_OF_TESTS = CARD.format(
    backbone="",
    caveat="",
    study="tests",
    annotators="simulated annotators",
    warning=WARNING,
    why_not="",
    results="",
    chances="",
    **dict.fromkeys(OTHER_WORDS, "none"),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Twelve originals and two sets; never changed."""
    folder = tmp_path_factory.mktemp("images")
    make_sets(folder, 12, noisy=20, worse=60)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "semsim"
    torch.manual_seed(0)
    SemSim("vgg3", width=4).save_pretrained(folder, card=CARD_OF_TESTS)
    return str(folder)


@pytest.fixture
def semsim(semsim_in, images):
    """Run a command where the images are; return its exit status, output and errors."""
    return semsim_in(images)


def in_a_process(folder, *words):
    """Run the command line by itself, as users do."""
    return subprocess.run(
        [*COMMAND, *map(str, words)], cwd=folder, env=LIBRARY, capture_output=True, text=True, timeout=120
    )


def test_score_prints_a_summary_and_writes_every_pair(images, weights, tmp_path):
    out = tmp_path / "new" / "s.csv"
    done = in_a_process(images, "score", "originals", "noisy", "--weights", weights, "--out", out)
    assert done.returncode == 0, done.stderr
    table = read_table(out)
    assert len(table) == 12 and table["name"].is_unique and table["semsim"].between(0, 2).all()
    lines = done.stdout.splitlines()
    assert lines[0] == "12 pairs: originals and noisy"
    assert lines[2].split() == ["metric", "mean", "lower", "quartile", "median", "upper", "quartile"]
    values = next(line for line in lines if line.startswith("PSNR (dB)\u00a0↑")).split()[-4:]
    psnr = table["psnr"]
    expected = [psnr.mean(), *psnr.quantile([0.25, 0.5, 0.75])]
    np.testing.assert_allclose([float(value) for value in values], expected, rtol=1e-3)
    assert "SemSim was trained by the study tests on labels of simulated annotators: classifiers that" in done.stdout
    assert "scoring" in done.stderr and "scoring" not in done.stdout
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["s.csv"]
    assert lines[-1] == f"Written: {out} (12 rows)"


def test_compare_ranks_and_writes(images, weights, tmp_path, semsim):
    words = ["compare", "originals", "worse", "clear=noisy", "--weights", weights, "--out", tmp_path / "c.csv"]
    done = in_a_process(images, *words, "--resamples", 200)
    assert done.returncode == 0, done.stderr
    table = read_table(tmp_path / "c.csv")
    assert set(table["metric"]) >= {"mse", "psnr", "ssim", "semsim"} and len(table) == 2 * table["metric"].nunique()
    first = table[table["rank"] == 1].set_index("metric")
    assert (first.loc[["mse", "psnr", "ssim"], "set"] == "clear").all()
    assert (first.loc[["mse", "psnr"], "p_holm"] < 0.05).all()
    assert "12 images from originals, each in 2 sets" in done.stdout and "clear against worse: " in done.stdout
    printed, written = done.stdout.rsplit("\n\n", 1)
    assert written == f"Written: {tmp_path / 'c.csv'} ({len(table)} rows)\n"
    assert semsim(*words[:-1], tmp_path / "again.parquet", "--resamples", 200)[1].startswith(printed)
    pd.testing.assert_frame_equal(read_table(tmp_path / "again.parquet"), table.fillna({"next": ""}))


def test_originals_are_read_once(semsim, monkeypatch):
    read = []
    monkeypatch.setattr(folders, "read_rgb", lambda path, side: read.append(str(path)) or read_rgb(path, side))
    assert semsim("score", "originals", "noisy")[0] == 0
    assert len(read) == len(set(read)) == 24


@pytest.mark.parametrize(
    "words",
    [
        ("score", "", "noisy"),
        ("score", "originals", "noisy", "--report", ""),
        ("compare", "originals", "noisy", ""),
        ("audit", "--model", "lenet", "--images", "", "--out", "audit"),
    ],
)
def test_an_empty_path_is_not_the_working_directory(semsim, words):
    assert semsim(*words) == (1, "", "error: a path is empty. Name a file or a folder, or leave the option out.\n")


def test_ctrl_c_while_the_command_line_is_imported_is_one_line(images):
    interrupted = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'argparse' or name == 'semsim.commandline':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from semsim.commands import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", interrupted], env=LIBRARY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "stopped\n")


def test_wrong_files_end_it_with_one_message(images, tmp_path):
    make_sets(tmp_path, 4, noisy=20)
    (tmp_path / "noisy" / "0.png").write_bytes(b"no image")
    (tmp_path / "noisy" / "2.png").unlink()
    words = ["score", "originals", "noisy", "--metrics", "psnr", "--out", "s.csv", "--report", "s.html"]
    done = in_a_process(tmp_path, *words)
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: 2 files cannot be scored: originals/2.png (not in noisy), noisy/0.png (not an image")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noisy", "originals"]
    done = in_a_process(tmp_path, *words, "--skip")
    assert done.returncode == 0 and "left out 2 files: originals/2.png (not in noisy), noisy/0.png" in done.stderr
    assert read_table(tmp_path / "s.csv")["name"].tolist() == ["deep/1", "deep/3"]


def test_output_that_nobody_reads_is_no_error(images):
    command = [*COMMAND, "score", "originals", "noisy", "--metrics", "psnr"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command, cwd=images, env=LIBRARY, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120
    )
    os.close(write)
    assert "Traceback" not in done.stderr and "Broken" not in done.stderr


def test_compare_lists_what_not_every_set_has(semsim, tmp_path, monkeypatch):
    make_sets(tmp_path, 6, noisy=20, worse=60)
    (tmp_path / "worse" / "deep" / "1.png").unlink()
    monkeypatch.chdir(tmp_path)
    status, said, errors = semsim("compare", "originals", "noisy", "worse", "--metrics", "mse")
    assert status == 0 and "5 images from originals" in said
    assert "1 original not in all sets: originals/deep/1.png (not in worse)." in errors
    (tmp_path / "originals" / "0.png").unlink()
    status, said, errors = semsim("compare", "originals", "noisy", "worse", "--metrics", "mse")
    assert status == 1 and not said and "noisy/0.png (not in originals), worse/0.png (not in originals)" in errors
    status, said, errors = semsim("compare", "originals", "noisy", "worse", "--metrics", "mse", "--skip")
    assert status == 0 and "4 images from originals" in said and "left out 2 files" in errors


def test_two_images(semsim, weights):
    status, said, _ = semsim("score", "originals/0.png", "originals/0.png", "--metrics", "psnr,ssim")
    rows = [line.split() for line in said.splitlines()]
    assert status == 0 and rows[2:5] == [["metric", "value"], ["PSNR", "(dB)", "↑", "100.0"], ["SSIM", "↑", "1.000"]]


def test_parquet(semsim, tmp_path):
    semsim("score", "originals", "noisy", "--metrics", "ssim,mse", "--out", tmp_path / "s.parquet")
    semsim("score", "originals", "noisy", "--metrics", "ssim,mse", "--out", tmp_path / "s.csv")
    tables = [read_table(tmp_path / f"s.{suffix}") for suffix in ("parquet", "csv")]
    assert list(tables[0]) == ["name", "ssim", "mse"]
    pd.testing.assert_frame_equal(*tables, check_dtype=False)


def test_weights_that_come_with_the_package_are_taken_by_default(semsim, tmp_path):
    tables = []
    for options in ([], ["--weights", "embedded"]):
        status, said, _ = semsim("score", "originals", "noisy", *options, "--out", tmp_path / "s.csv")
        assert status == 0 and "SemSim was trained by the study demo on labels of simulated annotators" in said
        tables.append(read_table(tmp_path / "s.csv"))
    assert {"mse", "psnr", "ssim", "semsim"} < set(tables[0]) and tables[0].equals(tables[1])


def test_a_name_of_weights_goes_before_a_folder_that_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights_folder("embedded") == shipped_weights()["embedded"] != weights_folder("./embedded").absolute()
    assert weights_folder("somewhere") == Path("somewhere")


def test_a_page_has_the_warnings_of_its_run(semsim_in, tmp_path):
    for name in ("originals", "others"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (48, 48), "navy").save(tmp_path / name / "a.png")
    words = ["score", "originals", "others", "--metrics", "semsim,chance", "--report", "s.html"]
    status, _, errors = semsim_in(tmp_path)(*words)
    warned = [line.removeprefix("warning: ") for line in errors.splitlines() if "do not rely" in line]
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert status == 0 and "images of 48x48" in warned[0] and all(sentence in page for sentence in warned)


def test_what_weights_were_trained_on(weights, tmp_path):
    assert training_of(weights).startswith("SemSim was trained by the study tests on labels of simulated annotators")
    for text in ("", "# Something else"):
        (tmp_path / "CARD.md").write_text(text)
        assert training_of(tmp_path).startswith("It is unknown what SemSim was trained on")
    assert training_of(tmp_path / "nowhere").startswith("It is unknown")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("score originals nowhere", "nowhere: no such file or folder"),
        ("score originals originals/0.png", "give two folders or two images"),
        ("score originals noisy --metrics psn", "Did you mean 'psnr'?"),
        ("score originals noisy --out s.txt", "s.txt: must end in .csv or .parquet"),
        ("score originals noisy --out originals/0.png/s.csv", "lies below"),
        ("score originals noisy --report page.pdf", "must end in .html"),
        ("score originals noisy --sort psnr", "--sort: can only be used with --report"),
        ("score originals noisy --report s.html --sort ssmi", "Did you mean 'ssim'?"),
        ("score originals noisy --report s.html --metrics mse --sort ssim", "ssim is not computed. Choose one of mse."),
        ("score originals noisy --weights nowhere", "nowhere/config.json: cannot be read"),
        ("score originals noisy --weights x --metrics psnr", "--weights: only used by the metrics semsim and chance"),
        ("score originals noisy --batch-size 0", "'0' is not a whole number above 0"),
        ("score originals noisy --metrics ,", "give names of metrics"),
        ("compare originals noisy", "one set cannot be compared"),
        ("compare originals noisy originals/../noisy", "two sets are called 'noisy'"),
        ("compare originals noisy nowhere", "nowhere: no such folder"),
        ("compare originals noisy worse --seed -1", "--seed: must not be negative"),
        ("compare originals noisy worse --resamples none", "'none' is not a whole number above 0"),
        ("compare originals noisy worse --out c.html", "must end in .csv or .parquet"),
        pytest.param(
            "score originals noisy --device cuda",
            "no CUDA GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_cannot_work_is_said_in_a_sentence(semsim, words, message):
    status, said, errors = semsim(*words.split())
    assert status in (1, 2) and message in errors and not said and "Traceback" not in errors


class Page(HTMLParser):
    """A page taken apart: addresses of everything that it asks for, and its pictures."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.pictures = [], {}
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.addresses += [attributes[name] for name in ("src", "href", "srcset", "data") if name in attributes]
        if tag == "img":
            self.pictures[attributes["alt"]] = attributes["src"]


def test_the_page_holds_everything_itself(semsim, weights, tmp_path):
    path = tmp_path / "s.html"
    status, _, errors = semsim("score", "originals", "noisy", "--weights", weights, "--report", path)
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert status == 0 and "http" not in re.sub(r"data:[^\"]+", "", html) and "url(" not in html
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert len(page.pictures) == 2 * 12 + 1 and "A histogram of each metric." in page.pictures
    assert "All pairs by SemSim" in html and "trained by the study tests" in html
    content = base64.b64decode(page.pictures["Reconstruction of deep/3"].partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(shown, np.asarray(Image.open("noisy/deep/3.png")))


def test_the_page_shows_both_ends_in_order(semsim, tmp_path):
    count = MOST_SHOWN + 5
    make_sets(tmp_path, count, ((120, 200), (20, 20)), noisy=20)
    options = ["--metrics", "psnr,mse", "--sort", "psnr", "--report", tmp_path / "s.html", "--out", tmp_path / "s.csv"]
    assert semsim("score", tmp_path / "originals", tmp_path / "noisy", *options)[0] == 0
    html = (tmp_path / "s.html").read_text(encoding="utf-8")
    names = re.findall('alt="Reconstruction of ([^"]+)"', html)
    by_psnr = read_table(tmp_path / "s.csv").sort_values("psnr", ascending=False, kind="stable")["name"].tolist()
    half = MOST_SHOWN // 2
    assert names == by_psnr[:half] + by_psnr[: -half - 1 : -1]
    assert f"Nearest {half} of {count} by PSNR" in html and f"Farthest {half} by PSNR" in html
    for source in Page(html).pictures.values():
        if source.startswith("data:image/png"):
            assert max(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).size) in (20, THUMBNAIL)


def test_names_are_text_on_the_page(semsim, tmp_path):
    make_sets(tmp_path, 2, noisy=20)
    for folder in ("originals", "noisy"):
        (tmp_path / folder / "0.png").rename(tmp_path / folder / "<b>&.png")
    assert semsim("score", tmp_path / "originals", tmp_path / "noisy", "--report", tmp_path / "s.html")[0] == 0
    assert "&lt;b&gt;&amp;" in (html := (tmp_path / "s.html").read_text(encoding="utf-8")) and "<b>&" not in html


def test_the_help_shows_examples_and_how_every_metric_is_named(semsim):
    status, said, _ = semsim("score", "--help")
    assert status == 0 and "examples:" in said and "an unknown name lists all" in " ".join(said.split())
    status, _, errors = semsim("score", "originals", "noisy", "--metrics", "list")
    assert status == 1 and errors.strip().endswith(f"Known are {', '.join(known_metrics())}.")
