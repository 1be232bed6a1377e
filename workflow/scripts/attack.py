"""Attack the originals of one target model: reconstruct each image from the gradient it would share."""

import argparse

import torch

from semsim.attacks.run import AttackRun
from semsim.attacks.settings import attack_settings
from semsim.commandline import json_object, run
from semsim.data import open_split
from semsim.io.tables import write_table
from semsim.io.tensors import write_arrays
from semsim.settings import validated
from semsim.targets.augmentation import Augmentation
from semsim.targets.device import choose_device
from semsim.targets.models import load_target
from semsim.targets.settings import TargetSettings


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="the data set, as prepare_data.py writes it")
    parser.add_argument("--weights", required=True, help="the target model, as train_target.py writes it")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--target", required=True, help="name of the target model")
    parser.add_argument("--attack", required=True, help="name of the attack")
    parser.add_argument(
        "--target-settings", type=json_object, required=True, metavar="JSON", help="targets.<name> of the config"
    )
    parser.add_argument("--settings", type=json_object, default={}, help="preset and changes of it, JSON")
    parser.add_argument("--seed", type=int, default=1, help="the study's seed")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; results may depend on it")
    parser.add_argument("--memory-gib", type=float, default=2.0, help="memory for the searches that run at once")
    parser.add_argument("--first", type=int, default=0, help="number of the first original to attack")
    parser.add_argument("--count", type=int, help="how many originals to attack (all from the first on)")
    parser.add_argument("--state", help="file that keeps an unfinished attack, to go on from")
    parser.add_argument("--out", required=True, help="images to write, .safetensors")
    parser.add_argument("--table", required=True, help="table to write, one row an original")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    client = validated(TargetSettings, arguments.target_settings, "the settings of the target are not valid")
    settings = attack_settings(**{"preset": arguments.attack} | arguments.settings)
    end = None if arguments.count is None else arguments.first + arguments.count
    images, labels = (array[arguments.first : end] for array in open_split(arguments.data, "originals"))
    attack_run = AttackRun(
        dataset=arguments.dataset,
        target_name=arguments.target,
        attack=arguments.attack,
        target=load_target(arguments.weights, choose_device(arguments.device)),
        originals=torch.from_numpy(images),
        labels=torch.from_numpy(labels),
        settings=settings,
        augmentation=Augmentation(client.augmentation),
        defence=client.defence,
        study_seed=arguments.seed,
        memory_gib=arguments.memory_gib,
        first=arguments.first,
    )
    attacked, outcome = attack_run.run(arguments.state)
    arrays = {
        "original": images,
        "attacked": attacked.numpy(),
        "reconstruction": outcome.images.numpy(),
        "label": labels,
    }
    names = {"dataset": arguments.dataset, "target": arguments.target, "attack": arguments.attack}
    about = {"settings": arguments.settings, "left_out": attack_run.left_out()}
    write_arrays(arrays, arguments.out, names | about)
    write_table(attack_run.table(outcome), arguments.table)


if __name__ == "__main__":
    run(main)
