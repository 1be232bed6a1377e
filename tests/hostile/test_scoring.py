"""Names of files and sets that steer terminals and spreadsheets, and outputs that lack characters."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_sets import make_sets, save, smooth
from PIL import Image

from semsim.commandline import Shown, run
from semsim.commands import main
from semsim.data.decoding import FORMATS, SUFFIXES
from semsim.io.tables import read_table
from semsim.scoring.folders import match_folders

ESCAPE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eleft"
FORMULA = "=cmd|' !C calc'!A0"
FORMULAS = (FORMULA, "+1+1", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "a;=1", "a\t=1", "a,\n=1", "＝1", "|=1")
OBEYED = [chr(code) for code in (*range(32), *range(127, 160), 0x202E, 0x2028) if chr(code) not in "\n\t"]


def renamed(folder, name, parts=("originals", "noisy", "worse")):
    for part in parts:
        (folder / part / "0.png").rename(folder / part / f"{name}.png")


@pytest.fixture
def folder(tmp_path):
    make_sets(tmp_path, 4, noisy=20, worse=40)
    return tmp_path


@pytest.fixture
def semsim(semsim_in, folder):
    return semsim_in(folder)


def harmless(text):
    return not any(letter in text.replace("\rscoring", "").replace("\rmatching", "") for letter in OBEYED)


def test_no_name_reaches_the_terminal_as_a_command(semsim, folder):
    renamed(folder, f"a{ESCAPE}")
    (folder / "noisy" / f"stray{ESCAPE}.png").write_bytes(b"no image")
    (folder / "worse").rename(folder / f"worse{ESCAPE}")
    for words in (
        ["score", "originals", "noisy", "--metrics", "mse"],
        ["score", "originals", "noisy", "--metrics", "mse", "--skip", "--match"],
        ["score", "originals", f"nowhere{ESCAPE}"],
        ["score", "originals", "noisy", "--metrics", f"mse{ESCAPE}"],
        ["score", "originals", "noisy", f"--unknown{ESCAPE}"],
        ["score", f"originals/a{ESCAPE}.png", f"noisy/a{ESCAPE}.png", "--metrics", "mse"],
        ["compare", "originals", "noisy", f"worse{ESCAPE}", "--metrics", "mse", "--skip"],
        ["compare", "originals", f"one{ESCAPE}=noisy", f"two{ESCAPE}=noisy", "--metrics", "mse", "--skip"],
        ["label", "status", f"nowhere{ESCAPE}"],
    ):
        _, said, errors = semsim(*words)
        assert harmless(said) and harmless(errors) and "\\x1b[2J" in said + errors, words
    assert (
        "worse\\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\u202eleft"
        in semsim("compare", "originals", "noisy", f"worse{ESCAPE}", "--metrics", "mse", "--skip")[1]
    )


def test_names_are_neutral_in_csv_and_true_in_parquet(semsim, folder):
    renamed(folder, FORMULA)
    (folder / "originals" / "2.png").rename(folder / "originals" / f"b{ESCAPE}.png")
    (folder / "noisy" / "2.png").rename(folder / "noisy" / f"b{ESCAPE}.png")
    for suffix in ("csv", "parquet"):
        assert semsim("score", "originals", "noisy", "--metrics", "mse", "--out", f"s.{suffix}")[0] == 0
    names = set(read_table("s.parquet")["name"])
    assert {FORMULA, f"b{ESCAPE}"} <= names
    assert f"'{FORMULA}" in set(read_table("s.csv")["name"]) and harmless(Path("s.csv").read_text())
    sets = f"{FORMULA.replace('=', '+')}=noisy", "@2=worse"
    for suffix in ("csv", "parquet"):
        words = ("--metrics", "mse", "--skip", "--out", f"c.{suffix}")
        assert semsim("compare", "originals", *sets, *words)[0] == 0
    assert set(read_table("c.csv")["set"]) == {f"'{FORMULA.replace('=', '+')}", "'@2"}
    assert set(read_table("c.parquet")["set"]) == {FORMULA.replace("=", "+"), "@2"}


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_begins_with_what_a_spreadsheet_computes(semsim, folder, name):
    renamed(folder, name)
    assert semsim("score", "originals", "noisy", "--metrics", "mse", "--match", "--out", "s.csv")[0] == 0
    for separator in (",", ";", "\t"):
        cells = Path("s.csv").read_text().replace("\n", separator).split(separator)
        texts = [cell.strip(' "') for cell in cells]
        assert not [text for text in texts if text[:1] in tuple("=+-@＝") and text], name


def test_no_name_is_lost_where_tables_have_no_value(semsim, folder):
    """Namibia's code is NA, and None is what people call no defence."""
    renamed(folder, "NA")
    assert semsim("score", "originals", "noisy", "--metrics", "mse", "--out", "s.csv")[0] == 0
    assert "'NA" in set(read_table("s.csv")["name"])
    words = ("--metrics", "mse", "--skip", "--out", "c.csv")
    assert semsim("compare", "originals", "None=noisy", "nan=worse", *words)[0] == 0
    assert set(pd.read_csv("c.csv")["set"]) == {"'None", "'nan"}


@pytest.mark.parametrize("mark", ["\u061c", "\u200e", "\u200f", "\u202a", "\u2066"])
def test_no_mark_turns_text_around(semsim, folder, mark):
    renamed(folder, f"a{mark}1")
    words = ("--metrics", "mse", "--out", "s.csv", "--report", "s.html")
    assert semsim("score", "originals", "noisy", *words)[0] == 0
    for path in ("s.csv", "s.html"):
        assert mark not in Path(path).read_text(encoding="utf-8") and f"\\u{ord(mark):04x}" in Path(path).read_text()


@pytest.mark.parametrize("words", [["compare", "a", "b", "c"], ["label", "measure", "x"]])
def test_no_more_is_drawn_than_anybody_waits_for(semsim, folder, words):
    status, _, errors = semsim(*words, "--resamples", str(10**12))
    assert status == 2 and "not a whole number above 0, at most 1,000,000" in errors


def test_no_more_annotators_are_invited_than_can_be(semsim, folder):
    status, _, errors = semsim("label", "invite", "x", "--count", str(10**12))
    assert status == 2 and "not a whole number above 0, at most 10,000" in errors


def test_a_place_that_takes_no_file_is_told_in_a_line(semsim, folder):
    """Systems refuse files in many ways: here is one that lies below a file, and one that is cut off."""
    (folder / "file").write_text("mine")
    (folder / "below").symlink_to("file/x")
    assert semsim("score", "originals", "noisy", "--metrics", "mse", "--out", "below/s.csv")[0] == 1
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))"
    words = ("score", "originals", "noisy", "--metrics", "mse,psnr", "--out", "s.csv")
    program = [sys.executable, "-c", f"{limit}; from semsim.commands import main; main()"]
    done = subprocess.run([*program, *words], capture_output=True, text=True, cwd=folder)
    assert "s.csv: File too large. Make room" in done.stderr and "Traceback" not in done.stderr
    assert not list(folder.glob("*s*.csv"))


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
def test_an_output_without_arrows_gets_what_comes_near(folder, encoding, monkeypatch):
    monkeypatch.chdir(folder)
    renamed(folder, "日本ρ")
    for words in (["score", "originals", "noisy"], ["compare", "originals", "noisy", "worse"]):
        outputs = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
        with contextlib.redirect_stdout(outputs[0]), contextlib.redirect_stderr(outputs[1]):
            monkeypatch.setattr(sys, "argv", ["semsim", *words, "--metrics", "mse,psnr"])
            main()
            outputs[0].flush()
        said = outputs[0].buffer.getvalue().decode(encoding).replace("\u00a0", " ")
        up, minus = ("↑", "−") if encoding == "utf-8" else ("^", "-")
        assert f"PSNR (dB) {up}" in said and "?" not in said
        if words[0] == "compare":
            assert f"noisy against worse: {minus}0.0" in said


def test_what_an_encoding_lacks_is_written_as_an_escape():
    output = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="strict")
    Shown(output).write("\rρ é \udce9 → 日")
    output.flush()
    assert output.buffer.getvalue().decode("latin-1") == "\r\\u03c1 é \\udce9 \\u2192 \\u65e5"


def test_columns_stay_aligned_without_their_signs(capsys):
    run(lambda: print("−0.5 ↑ – ↓"))
    assert capsys.readouterr().out == "−0.5 ↑ – ↓\n"


def test_every_suffix_of_what_can_be_read_is_taken(folder):
    Image.init()
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    assert known - {".pfm"} == SUFFIXES  # floats have no known range
    pictures = {".jfif": "JPEG", ".jpe": "JPEG", ".pnm": "PPM", ".ppm": "PPM", ".PNM": "PPM", ".apng": "PNG"}
    for number, (suffix, kind) in enumerate(pictures.items()):
        image = smooth(np.random.default_rng(number))
        save(image, folder / "first" / f"{number}.png")
        (folder / "second").mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / "second" / f"{number}{suffix}", kind)
    matches = match_folders(folder / "first", [folder / "second"])
    assert len(matches.groups) == len(pictures) and not matches.incomplete and not matches.unusable


def test_a_file_that_is_there_and_not_read_is_not_said_to_be_missing(folder):
    (folder / "noisy" / "0.png").rename(folder / "noisy" / "0.avif")
    (lacking,) = match_folders(folder / "originals", [folder / "noisy"]).incomplete
    assert str(lacking).endswith(f"(not in {folder}/noisy, where 0.avif is no image that is read)")


def test_accents_pair_however_they_are_composed(folder):
    (folder / "originals" / "0.png").rename(folder / "originals" / "Zu\u0308rich.png")
    (folder / "noisy" / "0.png").rename(folder / "noisy" / "Z\u00fcrich.png")
    matches = match_folders(folder / "originals", [folder / "noisy"])
    assert "Z\u00fcrich" in [group.name for group in matches.groups] and not matches.incomplete


def test_a_linked_folder_of_a_class_is_scored(folder, semsim):
    for part in ("originals", "noisy"):
        (folder / part / "deep").rename(folder / f"elsewhere-{part}")
        (folder / part / "deep").symlink_to(folder / f"elsewhere-{part}")
    status, said, _ = semsim("score", "originals", "noisy", "--metrics", "mse")
    assert status == 0 and said.startswith("4 pairs")
