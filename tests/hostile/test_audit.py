"""`semsim audit` on what cannot be audited: one line that says what is wrong, and no folder that is half written."""

import fcntl
import pickle
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import semsim
from semsim.errors import SemsimError

SIDE = 16
IMPORTS = "import torch\nfrom torch import nn\n\n"
LINEAR = "nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, {}))"
GOOD = f"def build(classes):\n    return {LINEAR.format('classes')}\n"


def picture(path, size=(SIDE, SIDE)):
    """Write a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(path))).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def desk(tmp_path, semsim_in):
    """A folder with two classes of images, and a function that audits a network there and returns its one line."""
    for name in ("cats", "dogs"):
        for number in range(3):
            picture(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "net.py").write_text(IMPORTS + GOOD)
    run = semsim_in(tmp_path)

    def audit(*words, code=None):
        if code is not None:
            (tmp_path / "net.py").write_text(IMPORTS + code)
        options = {"--model": "net.py:build", "--images": "photos", "--out": "audit", "--originals": "2"}
        options |= {"--steps": "2", "--attacks": "invertgrad"}
        options |= dict(zip(words[::2], words[1::2], strict=True))
        return run("audit", *(str(word) for option in options.items() for word in option))

    return tmp_path, audit


def told(result):
    """The line that people are told."""
    status, output, errors = result
    assert status == 1 and not output and "Traceback" not in errors, errors
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and errors.rstrip().endswith(lines[0]), errors
    return lines[0]


NETWORKS = {
    "no such function": ("def make(classes): ...", "it does not define 'build'"),
    "not Python": ("def build(classes:", "not valid Python"),
    "an error in it": ("def build(classes):\n    return 1 / 0", "failed. ZeroDivisionError: division by zero"),
    "ends the program": ("import sys\nsys.exit(3)\ndef build(): ...", "cannot be imported. It ends the program"),
    "no module": ("def build(classes):\n    return 7", "returns int, not a torch.nn.Module"),
    "no logits": (
        "def build(classes):\n    return nn.Conv2d(3, 8, 3)",
        r"must give logits \[N, 2\], but for images \[2, 3, 16, 16\] it gives \[2, 8, 14, 14\]",
    ),
    "classes that do not fit": (
        f"def build():\n    return {LINEAR.format(7)}",
        r"logits \[N, 2\], .* it gives \[2, 7\]",
    ),
    "images that do not fit": (
        f"def build(classes):\n    return {LINEAR.format('classes').replace('16 * 16', '32 * 32')}",
        r"cannot be given images \[2, 3, 16, 16\]",
    ),
    "state": (
        f"""class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.net, self.calls = {LINEAR.format("classes")}, 0

    def forward(self, x):
        self.calls += 1
        return self.net(x) * self.calls

build = Net
""",
        "keeps state from one call to the next in eval mode",
    ),
    "chance": (
        f"def build(classes):\n    return nn.Sequential({LINEAR.format('classes')}, Noise())\n"
        "class Noise(nn.Module):\n    def forward(self, x):\n        return x + torch.randn(2)",
        "draws random numbers in eval mode",
    ),
    "moves": (
        f"""class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.net = {LINEAR.format("classes")}

    def forward(self, x):
        return self.net.to("meta")(x.to("meta"))

build = Net
""",
        "is given images on cpu but gives logits on meta. Keep everything on one device in its forward",
    ),
    "no parameters": (
        "class Net(nn.Module):\n    def forward(self, x):\n        return x.flatten(1)[:, :2]\n"
        "def build():\n    return Net()",
        "has no trainable parameters",
    ),
    "probabilities": (
        f"def build(classes):\n    return nn.Sequential({LINEAR.format('classes')}, nn.Softmax(1))",
        "--model: it returns probabilities, which sum to 1, not logits",
    ),
    "ends the program when it is called": (
        "class Net(nn.Linear):\n    def forward(self, x):\n        raise SystemExit(4)\n"
        "def build(classes):\n    return Net(768, classes)",
        "it ends the program",
    ),
    "another argument": (
        f"def build(classes, depth):\n    return {LINEAR.format('classes')}",
        r"missing 1 required positional argument: 'depth'$",
    ),
    "double precision": (GOOD.replace("classes))", "classes)).double()"), "single precision"),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_that_cannot_be_audited(desk, kind):
    folder, audit = desk
    code, message = NETWORKS[kind]
    line = told(audit(code=code))
    assert re.search(message, line), line
    assert not (folder / "audit").exists()


def test_the_name_of_a_function_may_be_left_out(desk):
    assert desk[1]("--model", "net.py:")[0] == desk[1]("--model", "net.py")[0] == 0


def test_a_network_without_a_last_linear_layer_is_attacked_without_it(desk):
    folder, audit = desk
    code = "def build(classes):\n    return nn.Sequential(nn.Conv2d(3, classes, 16), nn.Flatten())"
    status, output, errors = audit(code=code)
    assert status == 0, errors
    line = told(audit("--attacks", "idlg", "--out", "other"))
    assert "attack idlg: label analytic needs a target model with a linear last layer" in line
    assert not (folder / "other").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nothing.py:build", "nothing.py: cannot be read"),
        ("net.txt:build", "'net.txt:build' is no network"),
        ("resnet", "'resnet' is no network. Did you mean 'resnet"),
        ("torchvision:resnet1", "torchvision has no network 'resnet1'"),
        ("timm:resnet18", "timm"),
    ],
)
def test_models_that_are_not_there(desk, model, message):
    _, audit = desk
    assert message in told(audit("--model", model))


def weights_of_another_network(path):
    save_file({"0.weight": torch.zeros(2, 2)}, path)


def weights_that_run_code(path):
    class Harmful:
        def __reduce__(self):
            return print, ("harm",)

    path.write_bytes(pickle.dumps({"weight": Harmful()}))


WEIGHTS = {
    "w.safetensors": (weights_of_another_network, "not the weights of net-build"),
    "damaged.safetensors": (lambda path: path.write_bytes(b"{" * 50), "damaged"),
    "harm.pt": (weights_that_run_code, "damaged, or not a checkpoint of tensors alone"),
    "whole.pt": (lambda path: torch.save(torch.nn.Linear(2, 2), path), "not a checkpoint of tensors alone"),
    "more.pth": (
        lambda path: torch.save({"epoch": 3, "model": {}}, path),
        "it has epoch, model, but must hold",
    ),
    "list.pt": (lambda path: torch.save([1], path), "it is a list, but must hold a state dict"),
    "gone.pt": (lambda path: None, "cannot be read"),
    "nan.safetensors": (
        lambda path: save_file({"1.weight": torch.full((2, 768), float("nan")), "1.bias": torch.zeros(2)}, path),
        "NaN",
    ),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_do_not_fit(desk, name, capfd):
    folder, audit = desk
    write, message = WEIGHTS[name]
    write(folder / name)
    line = told(audit("--weights", name))
    assert message in line and "harm\n" not in capfd.readouterr().out
    assert "weights_only" not in line, "advice to load what may run code"
    assert not (folder / "audit").exists()


def other_sizes(folder):
    picture(folder / "cats" / "wide.png", (24, 16))


def two_sizes(folder):
    for number in range(9):
        picture(folder / "cats" / f"large-{number}.png", (24, 24))


def an_empty_class(folder):
    (folder / "birds").mkdir()


def a_damaged_file(folder):
    for path in folder.glob("*/*.png"):
        path.write_bytes(path.read_bytes()[:60])


def one_class(folder):
    for path in (folder / "dogs").iterdir():
        path.unlink()
    (folder / "dogs").rmdir()


IMAGES = {
    other_sizes: "wide.png: 24x16 pixels, not square. Give --image-size",
    two_sizes: "images differ in size",
    an_empty_class: "class 'birds' has no image",
    a_damaged_file: "a damaged or truncated image",
    one_class: "has one class",
}


@pytest.mark.parametrize("spoil", IMAGES)
def test_images_that_cannot_be_attacked(desk, spoil):
    folder, audit = desk
    spoil(folder / "photos")
    assert IMAGES[spoil] in told(audit("--originals", "20"))
    assert not (folder / "audit").exists()


def test_folders_of_images_that_are_not_there(desk):
    folder, audit = desk
    assert "nowhere: no such folder of images" in told(audit("--images", "nowhere"))
    (folder / "empty").mkdir()
    assert "empty: no images" in told(audit("--images", "empty"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("cats\nbirds\n", "'dogs' is none of the model's classes"),
        ("cats\n", "fewer than two names"),
        ("cats\ndogs\ncats\n", "one name is there twice"),
        ("cats\ndogs\nbirds\n", ""),
    ],
)
def test_names_of_classes(desk, names, message):
    folder, audit = desk
    (folder / "classes.txt").write_text(names)
    result = audit("--classes", "classes.txt")
    if message:
        assert message in told(result)
    else:
        assert result[0] == 0


def test_a_single_original_is_scored(desk):
    """A batch of one is easily taken for its number."""
    folder, audit = desk
    assert audit("--originals", "1")[0] == 0
    assert len((folder / "audit" / "originals.csv").read_text().splitlines()) == 2


def test_a_setting_that_is_given_twice(desk, semsim_in):
    folder, _ = desk
    words = (
        "audit",
        "--model",
        "net.py:build",
        "--images",
        "photos",
        "--out",
        "audit",
        "--client",
        "batch=1",
        "batch=2",
    )
    assert "--client: batch is given twice" in told(semsim_in(folder)(*words))


def test_weights_of_somebody_are_not_to_be_deleted(desk):
    folder, audit = desk
    (folder / "mine.safetensors").write_bytes(b"of weeks of training, cut off")
    line = told(audit("--weights", "mine.safetensors"))
    assert "mine.safetensors: damaged" in line and "elete" not in line


def test_an_out_that_is_in_use_or_holds_other_things(desk):
    folder, audit = desk
    assert "photos holds other files (cats, dogs)" in told(audit("--out", "photos"))
    assert sorted(path.name for path in (folder / "photos").iterdir()) == ["cats", "dogs"]
    assert "net.py is a file" in told(audit("--out", "net.py"))
    assert audit()[0] == 0
    assert "audit holds another audit, of which --steps differed" in told(audit("--steps", "3"))
    assert "of which --seed differed" in told(audit("--seed", "2"))
    assert "of which the model differed" in told(audit("--model", "lenet"))
    assert "of which the attacks differed" in told(audit("--attacks", "dlg"))
    with pytest.raises(SemsimError, match="^out: .* of which steps and memory_gib differed"):
        semsim.audit(
            torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 2)),
            torch.rand(3, 3, SIDE, SIDE),
            torch.tensor([0, 1, 0]),
            folder / "audit",
            originals=2,
            steps=3,
            memory_gib=1,
        )
    with (folder / "audit" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another audit is running in audit" in told(audit())
    (folder / "audit" / "audit.json").write_text("[]")
    assert "audit.json is damaged" in told(audit())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--attacks", "invertgard", "--attacks: 'invertgard' is not one of"),
        ("--attacker", "lables=false", "--attacker: unknown setting 'lables'. Did you mean 'labels'"),
        ("--attacker", "labels=false", "attack invertgrad: label known needs an attacker who knows the true labels"),
        ("--client", "batch=8", "2 originals are fewer than the batch of 8 of a client"),
        ("--client", "batchnorm=training", "--client batchnorm: 'training' is not one of eval, train"),
        ("--defence", '{"kind": "prun"}', "--defence kind: 'prun' is not one of"),
        ("--std", "0,1,1", "std must be positive"),
        ("--mean", "123,117,104", "mean must be for images in [0, 1], but is [123.0, 117.0, 104.0]. Divide it by 255"),
        ("--out", "photos/cats/audit", "--out: lies in --images"),
        ("--last", "nothing", "has no layer 'nothing'"),
        ("--semsim", "nowhere", "nowhere"),
        ("--memory-gib", "0.000001", "but --memory-gib is 1e-06. Raise --memory-gib, or take"),
        ("--memory-gib", "0", "--memory-gib: 0.0 is out of range, above 0"),
        ("--minutes", "0", "--minutes: 0.0 is out of range, above 0"),
        ("--minutes", "inf", "--minutes: inf is not a finite number"),
        ("--image-size", "100000000", "beyond 512 pixels"),
        ("--defence", 3000 * "[", "not valid JSON"),
        ("--defence", '{"share": ' + 5000 * "9" + "}", "not valid JSON"),
    ],
)
def test_settings_that_are_wrong(desk, option, value, message):
    folder, audit = desk
    assert message in " ".join(audit(option, value)[2].split())
    assert not (folder / "audit").exists()
