"""Checks a trained model of estampa in PyTorch: what it says, its loss, and the steps that training takes.

    python tests/pytorch/check.py MODEL DATA [--features FEATURES] [--before MODEL --optimiser sgd --rate 0.1 --steps 1 --momentum 0]

MODEL is the folder of a model, DATA that of the stamps or sequences that it was trained on, FEATURES what `extract_features`
made of them with it: cache/entries/KIND/KEY/out. Loss, probabilities, codes and squared errors are compared with what the
stages wrote. With `--before`, MODEL came from that model (its input `init`) by so many steps over the whole training split at
once, without dropout and draws; they are taken here, and what moved is compared: after one step of `sgd`, the gradient, with
that in double precision. Each step rounds the weights, and after ten PyTorch in single precision is up to a hundredth from
PyTorch in double precision: these are compared with both, and the nearer one counts.
Prints how far each array is apart, outputs by their largest difference in units of the root mean square, what moved by norms;
fails where one is above its limit. Several checks may follow one another, with `+` between them.
"""

import argparse
import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import torch

from networks import load

OUTPUTS = 1e-4
# What one step of `sgd` moves is the gradient, here against PyTorch's in double precision. A unit within rounding of the kink of
# its ReLU or pooling changes a gradient by up to 6e-4, that of PyTorch in single precision as well: the data of the test have
# none. Adam moves weights of small gradients, which rounding changes most, as far as all others.
MOVED = {"sgd": 1e-4, "adam": 5e-3}
# Before a batch norm the true gradient of a bias is zero, and Adam moves it by the sign of rounding.
BEFORE_A_NORM = re.compile(r"(encoder|d12|d34)\.\d\.0\.bias|d5\.0\.bias")
OPTIMISERS = {
    "sgd": lambda weights, rate, momentum: torch.optim.SGD(weights, lr=rate, momentum=momentum),
    "adam": lambda weights, rate, _: torch.optim.Adam(weights, lr=rate),
}


def table(path):
    return list(csv.DictReader(path.open()))


class Data:
    """The stamps or sequences in `folder`, as the model in `model` reads them."""

    def __init__(self, folder, model):
        self.folder, self.sequential = folder, (folder / "objects.csv").exists()
        self.rows = table(folder / ("objects.csv" if self.sequential else "index.csv"))
        names = ["stamps", "dynamic", "static"] if self.sequential else ["stamps", "metadata"]
        self.columns = {name: torch.from_numpy(np.load(folder / f"{name}.npy")) for name in names}
        if (model / "codes.json").exists():  # those of the autoencoder beside the model, standardised
            scale = json.loads((model / "codes.json").read_text())
            mean, deviation = torch.tensor(scale["mean"]), torch.tensor(scale["deviation"])
            with torch.no_grad():
                self.columns["codes"] = (load(model / "autoencoder").codes(self.columns) - mean) / deviation
        if self.sequential:
            days = np.array([float(row["days"]) for row in table(folder / "detections.csv")])
            first = [int(row["first"]) for row in self.rows]
            self.spans = [slice(at, at + int(row["length"])) for at, row in zip(first, self.rows)]
            since = np.concatenate([np.log10(1 + np.cumsum(days[span])) for span in self.spans])
            self.columns["times"] = torch.from_numpy(since).float()
        if (model / "predictions.json").exists():
            classes = json.loads((model / "predictions.json").read_text())["classes"]
            self.columns["class"] = torch.tensor([classes.index(row["label"]) for row in self.rows])

    def of(self, split):
        return [i for i, row in enumerate(self.rows) if row["split"] == split and row.get("copy", "0") == "0"]

    def batch(self, rows):
        whole = ("static", "class")  # one value for each object
        if not self.sequential:
            return {name: values[rows] for name, values in self.columns.items()}
        pick = lambda name, values: values[rows] if name in whole else [values[self.spans[row]] for row in rows]
        return {name: pick(name, values) for name, values in self.columns.items()}


class Check:
    faults = 0

    def hold(self, what, apart, limit):
        is_close = bool(apart <= limit)  # what is no number is not close
        self.faults += not is_close
        print(f"{what}: {apart:.1e} apart" + ("" if is_close else f", more than {limit:.0e}"))

    def outputs(self, what, made, wrote):
        made, wrote = np.asarray(made, np.float64), np.asarray(wrote, np.float64)
        assert made.shape == wrote.shape and made.size, f"{what}: {made.shape} and {wrote.shape}"
        self.hold(what, np.abs(made - wrote).max() / np.sqrt((wrote**2).mean()), OUTPUTS)


def score(model):
    """Validation loss of the weights that were kept."""
    return min(float(row["validation_loss"]) for row in table(model / "history.csv") if row.get("stage") != "vae")


def check_outputs(check, model, data, features):
    network = load(model)
    with torch.no_grad():
        check.outputs("validation loss", [network.loss(data.batch(data.of("validation")))], [score(model)])
        if (model / "predictions.csv").exists():
            told, rows = table(model / "predictions.csv"), data.of("validation") + data.of("test")
            assert [row["objectId"] for row in told] == [data.rows[row]["objectId"] for row in rows]
            wrote = [[float(value) for name, value in row.items() if name.startswith("p_")] for row in told]
            check.outputs("probabilities", network.probabilities(data.batch(rows)), wrote)
        if features:
            wrote = np.load(features / "features.npy")
            names = json.loads((features / "features.json").read_text())["names"]
            part = lambda word: wrote[:, [i for i, name in enumerate(names) if name.startswith(word)]]
            everything = data.batch(list(range(len(data.rows))))
            check.outputs("codes", network.codes(everything), part("latent_"))
            if part("error_").size:
                left = (network(everything) - everything["stamps"]) ** 2
                check.outputs("squared errors by channel", left.sum((2, 3)), part("error_"))


def double(values):
    """All numbers of a batch in double precision."""
    if isinstance(values, dict):
        return {name: double(value) for name, value in values.items()}
    if isinstance(values, list):
        return [double(value) for value in values]
    return values.double() if values.is_floating_point() else values


def take_steps(network, batch, optimiser, rate, steps, momentum):
    """Mean loss of so many steps; the weights of `network` move."""
    optimiser, losses = OPTIMISERS[optimiser](network.parameters(), rate, momentum), []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = network.loss(batch)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return np.mean(losses)


def check_steps(check, before, model, data, told):
    batch, old, new = data.batch(data.of("train")), load(before).state_dict(), load(model).state_dict()
    steps = told.optimiser, told.rate, told.steps, told.momentum
    single, exact = load(before, card=model).train(), load(before, card=model).train().double()
    loss = take_steps(exact, double(batch), *steps)
    take_steps(single, batch, *steps)
    check.outputs("training loss", [loss], [float(table(model / "history.csv")[-1]["train_loss"])])
    single, exact = single.state_dict(), exact.state_dict()
    names = [name for name, value in new.items() if value.is_floating_point() and not BEFORE_A_NORM.search(name)]
    moved = {name: (exact[name] - old[name]).norm().item() for name in names}
    most = MOVED[told.optimiser]
    for name in names:
        # of differences of single-precision numbers, and of gradients that are zero but for rounding
        least = max(1e-5 * max(moved.values()), 1e-7 * old[name].norm().item() / most)
        references = [exact] if told.steps == 1 else [exact, single]
        apart = min((one[name].double() - new[name].double()).norm().item() for one in references)
        check.hold(name, apart / max(moved[name], least), most)


def run(check, arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="sgd")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--momentum", type=float, default=0)
    told = parser.parse_args(arguments)
    print(f"== {told.model}")
    data = Data(told.data, told.model)
    check_outputs(check, told.model, data, told.features)
    if told.before:
        check_steps(check, told.before, told.model, data, told)


def main():
    check, arguments = Check(), [[]]
    for argument in sys.argv[1:]:
        arguments.append([]) if argument == "+" else arguments[-1].append(argument)
    for one in arguments:
        run(check, one)
    sys.exit(check.faults > 0)


if __name__ == "__main__":
    main()
