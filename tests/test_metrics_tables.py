"""From reconstructions to tables: both references, diverged runs, files that do not fit, ranks."""

import numpy as np
import pandas as pd
import pytest
from small_study import DATASETS, ORIGINALS, attack_table, small_study, smooth_images, write_reconstructions

from semsim.errors import SemsimError
from semsim.io.tables import read_table, write_table
from semsim.metrics import describe_scales, extra_metrics, metrics_of
from semsim.metrics.measure import measure_reconstructions
from semsim.metrics.reconstructions import check_originals, read_reconstructions
from semsim.metrics.scales import scales_of
from semsim.metrics.summaries import (
    concatenated,
    describe_unmeasured,
    rank_leakage,
    summarise_attacks,
    summarise_metrics,
)
from semsim.targets.models import build_target


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """The small study's tables by name."""
    folder = small_study(tmp_path_factory.getbasetemp()) / "tables"
    return {path.stem: read_table(path) for path in folder.glob("*.csv")}


def attack(folder, **changes):
    """Return four reconstructions; `changes` replace columns of their table."""
    images = dict.fromkeys(("original", "attacked", "reconstruction"), smooth_images(4, seed=5))
    table = attack_table("shapes", "plain", "clear", np.arange(4)).assign(**changes)
    return write_reconstructions(folder, images, table)


def test_each_reconstruction_has_a_row_for_each_reference(tables):
    metrics = tables["metrics"]
    keys = ["dataset", "target", "attack", "original", "reference"]
    assert not metrics.duplicated(keys).any()
    assert len(metrics) == 2 * len(tables["attacks"])
    assert list(metrics)[:7] == ["dataset", "target", "attack", "original", "label", "reference", "status"]


def test_the_references_differ_only_where_the_target_augments(tables):
    psnr = tables["metrics"].pivot(
        index=["target", "attack", "dataset", "original"], columns="reference", values="psnr"
    )
    assert (psnr.loc["plain", "attacked"] == psnr.loc["plain", "original"]).all()
    clear = psnr.loc[("cropped", "clear")]
    assert (clear["attacked"] > clear["original"]).all()


def test_diverged_reconstructions_are_kept_counted_and_not_scored(tables):
    metrics, leakage = tables["metrics"], tables["leakage"]
    diverged = metrics["status"] == "diverged"
    values = metrics.columns[7:]
    assert diverged.sum() == 4 and metrics.loc[diverged, values].isna().all(axis=None)
    assert metrics.loc[~diverged, values].notna().all(axis=None)
    rows = leakage.query("target == 'cropped' and attack == 'noisy' and metric == 'psnr'")
    assert (rows["diverged"] == 1).all() and (rows["count"] == ORIGINALS - 1).all()
    assert rows["note"].str.contains(f"1 of {ORIGINALS} diverged").all()


@pytest.mark.parametrize("changes", [{"label": [0, 1, 2, 9]}, {"target": "other"}])
def test_a_table_of_another_attack_is_refused(tmp_path, changes):
    images, table = attack(tmp_path)
    pd.DataFrame(read_table(table).assign(**changes)).to_csv(table, index=False)
    with pytest.raises(SemsimError, match="its rows are not those of"):
        read_reconstructions(images, table)


def test_reconstructions_of_other_originals_are_refused(tmp_path):
    reconstructions = read_reconstructions(*attack(tmp_path))
    check_originals(reconstructions, smooth_images(4, seed=5))
    for others in (smooth_images(4, seed=6), smooth_images(4, seed=5)[:3]):
        with pytest.raises(
            SemsimError,
            match="shapes/plain/clear: these reconstructions are of originals that the data set does not have",
        ):
            check_originals(reconstructions, others)


def test_another_target_model_is_refused(tmp_path):
    reconstructions = [read_reconstructions(*attack(tmp_path))]
    with pytest.raises(SemsimError, match="3 classes of 32x32 pixels.*labels up to 3"):
        measure_reconstructions(build_target("lenet", 3, 32), reconstructions, tmp_path)
    with pytest.raises(SemsimError, match="got: none"):
        measure_reconstructions(build_target("lenet", 4, 32), [], tmp_path)


def scores(psnr_by_target, mse_by_target):
    """Return a table of metrics with one reconstruction a target model."""
    return pd.DataFrame(
        [
            {"dataset": "d", "target": target, "attack": "a", "reference": "attacked", "status": "finished"}
            | {"mse": mse_by_target[target], "psnr": psnr_by_target[target]}
            for target in psnr_by_target
        ]
    )


NO_SETS = pd.DataFrame(columns=["dataset", "target", "attack", "reference", "metric", "value", "note"])


def test_ranks_follow_each_metrics_direction_and_share_ties():
    metrics = scores({"x": 20.0, "y": 30.0, "z": 20.0}, {"x": 0.3, "y": 0.2, "z": 0.1})
    leakage = rank_leakage(summarise_metrics(metrics), NO_SETS).set_index(["metric", "attack", "target"])["rank"]
    assert leakage.loc[("psnr", "a")].to_dict() == {"x": 2, "y": 1, "z": 2}
    assert leakage.loc[("mse", "all")].to_dict() == {"x": 3, "y": 2, "z": 1}


def test_all_attacks_together_are_the_mean_over_their_reconstructions():
    few, many = scores({"x": 20.0}, {"x": 0.3}), scores(dict.fromkeys("abc", 10.0), dict.fromkeys("abc", 0.1))
    metrics = pd.concat([few, many.assign(target="x", attack="b")], ignore_index=True)
    metrics.loc[3, ["status", "psnr"]] = ["diverged", np.nan]
    leakage = rank_leakage(summarise_metrics(metrics), NO_SETS).set_index(["metric", "attack"])
    together = leakage.loc[("psnr", "all")]
    assert together["value"] == pytest.approx(metrics["psnr"].mean()) and together["value"] == pytest.approx(40 / 3)
    assert together["count"] == 3 and together["diverged"] == 1 and "1 of 4 diverged" in together["note"]


def test_a_missing_value_has_no_rank():
    metrics = scores({"x": np.nan, "y": 30.0}, {"x": np.nan, "y": 0.2})
    metrics.loc[0, "status"] = "diverged"
    leakage = rank_leakage(summarise_metrics(metrics), NO_SETS).set_index(["metric", "attack", "target"])
    missing = leakage.loc[("psnr", "a", "x")]
    assert pd.isna(missing["rank"]) and missing["count"] == 0 and missing["diverged"] == 1
    assert leakage.loc[("psnr", "a", "y"), "rank"] == 1


def test_target_models_are_compared_on_the_attacks_that_all_of_them_faced():
    metrics = scores({"x": 20.0, "y": 30.0}, {"x": 0.3, "y": 0.2})
    extra = metrics.query("target == 'x'").assign(attack="easy", psnr=90.0)
    leakage = rank_leakage(pd.concat(map(summarise_metrics, (metrics, extra))), NO_SETS)
    together = leakage.query("metric == 'psnr' and attack == 'all'").set_index("target")
    assert together["value"].to_dict() == {"x": 20, "y": 30} and together["count"].tolist() == [1, 1]
    assert leakage.query("metric == 'psnr' and attack == 'easy'")["rank"].tolist() == [1]


def test_sets_are_ranked_beside_pairs():
    sets = NO_SETS.copy()
    for target, value in (("x", 3.0), ("y", 5.0)):
        sets.loc[len(sets)] = ["d", target, "all", "attacked", "fid", value, "a caveat"]
    summaries = summarise_metrics(scores({"x": 1.0, "y": 2.0}, {"x": 0.1, "y": 0.2}))
    leakage = rank_leakage(summaries, sets).query("metric == 'fid'")
    assert leakage["rank"].tolist() == [1, 2] and leakage["count"].tolist() == [1, 1]


def test_attacks_are_summarised(tables):
    summary = summarise_attacks(tables["attacks"]).set_index(["dataset", "attack"])
    assert set(summary["client"]) == {"one image"}
    noisy = summary.loc[("shapes", "noisy")]
    assert noisy["reconstructions"] == 2 * ORIGINALS and noisy["diverged"] == 1 and noisy["true_label"] == 1
    assert summary.loc[("shapes", "clear"), "cost_left"] == pytest.approx(0.255)


def test_target_models_and_data_sets_are_described(tables):
    assert tables["accuracy"].loc[0, ["dataset", "target", "architecture"]].tolist() == ["shapes", "plain", "lenet"]
    assert tables["datasets"].set_index("dataset").loc["shapes", ["classes", "image_size", "train"]].tolist() == [
        3,
        32,
        12,
    ]


@pytest.fixture
def study(tmp_path_factory):
    """The folder of the small study."""
    return small_study(tmp_path_factory.getbasetemp())


def metrics_of_pairs(study):
    """Return the small study's tables of metrics, one a target model."""
    return [path for path in sorted(study.glob("metrics/*/*.parquet")) if not path.stem.endswith("_sets")]


@pytest.fixture
def collect(run_script, study, tmp_path):
    """A function that gathers the small study's tables in `tmp_path`, with these metrics of pairs."""

    def collect(metrics):
        arguments = {
            "--data": [study / "data" / f"{dataset}.safetensors" for dataset in DATASETS],
            "--weights": sorted(study.glob("targets/*/*.safetensors")),
            "--attacks": sorted(study.glob("reconstructions/*/*/*.csv")),
            "--metrics": metrics,
            "--sets": sorted(study.glob("metrics/*/*_sets.parquet")),
        }
        for name in ("metrics", "unmeasured", "scales", "leakage", "accuracy", "attacks", "datasets"):
            arguments[f"--out-{name}"] = [tmp_path / f"{name}.csv"]
        options = [part for option, values in arguments.items() for part in (option, *values)]
        done = run_script("collect_tables", *options)
        assert done.returncode == 0, done.stderr

    return collect


def test_all_target_models_of_a_data_set_are_measured_as_each_alone(run_script, study, tmp_path):
    def compute(weights):
        options = ["--data", study / "data" / "shapes.safetensors", "--weights", *weights]
        for option, suffix in (("--reconstructions", "safetensors"), ("--tables", "csv")):
            options += [option, *sorted(study.glob(f"reconstructions/shapes/*/*.{suffix}"))]
        outputs = [tmp_path / f"{name}.parquet" for name in ("pairs", "sets")]
        options += ["--pretrained", study / "pretrained", "--seed", 0, "--out", outputs[0], "--sets", outputs[1]]
        return run_script("compute_metrics", *options), outputs

    weights = sorted(study.glob("targets/shapes/*.safetensors"))
    done, outputs = compute(weights)
    assert done.returncode == 0, done.stderr
    for path, part in zip(outputs, ("", "_sets"), strict=True):
        alone = concatenated(study / "metrics" / "shapes" / f"{each.stem}{part}.parquet" for each in weights)
        keys = ["target", "attack", "reference", *({"metric", "original"} & {*alone})]
        one, other = (table.sort_values(keys, ignore_index=True) for table in (read_table(path), alone))
        pd.testing.assert_frame_equal(one, other, check_dtype=False)

    done, _ = compute(weights[:1])
    assert done.returncode == 1 and f"{weights[1].stem}: reconstructions, but no weights" in done.stderr


def test_what_is_not_measured_has_its_reason(collect, study, tmp_path):
    collect(metrics_of_pairs(study))
    reasons = read_table(tmp_path / "unmeasured.csv").set_index("metric")["reason"]
    assert reasons.to_dict() == {
        "lpips": "the weights of AlexNet are missing: run `semsim fetch`",
        **dict.fromkeys(extra_metrics(), "not named in `extra_metrics`"),
        "ms_ssim": "images have 32 pixels; 161 are needed",
        "vif": "images have 32 pixels; 41 are needed",
    }


def test_each_reason_is_the_one_that_holds():
    networks = {"lpips", "lpips_vgg", "dists", "lpips_random_trunk"}
    pixels = [metric.name for metric in metrics_of("pair") if metric.name not in networks]
    measured = [*pixels, "lpips", "lpips_vgg"]

    def reasons(*arguments):
        return describe_unmeasured(*arguments).set_index("metric")["reason"].to_dict()

    missing = "the weights of VGG16 are missing: run `semsim fetch`"
    assert reasons(measured, ["alexnet", "vgg16"], ["lpips_vgg"], 32) == {"dists": "not named in `extra_metrics`"}
    assert reasons([*pixels, "lpips"], ["alexnet"], ["dists"], 32)["dists"] == missing
    assert reasons(pixels, ["alexnet", "vgg16"], [], 20)["lpips"] == "images have 20 pixels; 31 are needed"
    table = describe_unmeasured([*measured, "dists"], ["alexnet", "vgg16"], ["lpips_vgg", "dists"], 32)
    assert table.empty and list(table) == ["metric", "label", "reason"]


def test_tables_of_equal_columns_are_put_one_below_the_other(collect, study, tmp_path):
    collect(metrics_of_pairs(study))
    write_table(pd.concat(map(read_table, metrics_of_pairs(study))), tmp_path / "whole.csv")
    assert (tmp_path / "metrics.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("small", DATASETS)
def test_a_metric_that_takes_no_images_so_small_is_missing_for_their_data_set_alone(
    collect, run_script, study, tmp_path, small
):
    paths = [tmp_path / path.relative_to(study) for path in metrics_of_pairs(study)]
    for path in paths:
        table = read_table(study / path.relative_to(tmp_path))
        write_table(table.drop(columns="lpips_random_trunk") if path.parent.name == small else table, path)
    collect(paths)
    metrics, scales, leakage = (read_table(tmp_path / f"{name}.csv") for name in ("metrics", "scales", "leakage"))
    whole = {name: read_table(study / "tables" / f"{name}.csv") for name in ("metrics", "scales")}
    is_small = whole["metrics"]["dataset"] == small
    whole["metrics"].loc[is_small, "lpips_random_trunk"] = np.nan
    order = ["dataset", "target", "attack", "reference", "original"]
    pd.testing.assert_frame_equal(
        *(table.sort_values(order, ignore_index=True) for table in (metrics, whole["metrics"]))
    )
    pd.testing.assert_frame_equal(scales, whole["scales"])
    assert set(leakage.loc[leakage["metric"] == "lpips_random_trunk", "dataset"]) == set(DATASETS) - {small}

    options = ["--metrics", tmp_path / "metrics.csv", "--scales", tmp_path / "scales.csv", "--resamples", 20]
    options += ["--recognition", study / "tables" / "recognition.csv", "--out", tmp_path / "faithfulness.csv"]
    done = run_script("measure_faithfulness", *options, "--out-differences", tmp_path / "differences.csv")
    assert done.returncode == 0, done.stderr
    values = read_table(tmp_path / "faithfulness.csv").query("metric == 'lpips_random_trunk'").set_index("dataset")
    assert set(values.loc[small, "note"]) == {"no reconstruction has both a value and labels"}
    assert values.loc[small, "value"].isna().all()
    (other,) = set(DATASETS) - {small}
    assert values.loc[other].query("level == 'reconstructions'")["value"].notna().all()


def test_scales_say_what_a_metric_looks_at_and_refuse_older_tables():
    table = describe_scales(pd.DataFrame(columns=["psnr", "top1", "feature_distance"]))
    assert scales_of(table).access == {"psnr": "images", "feature_distance": "target", "top1": "target"}
    with pytest.raises(SemsimError, match="scales.csv has no column 'access'"):
        scales_of(table.drop(columns="access"))
