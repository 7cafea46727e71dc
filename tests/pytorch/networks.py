"""Every network of estampa in PyTorch, with the names of `weights.safetensors`, written from the papers that
src/models/*.rs quote: `load(FOLDER)` gives a trained one, ready for use. Needs torch and safetensors.

A batch is a dict: "stamps" [n, channel, y, x], "metadata" [n, column], "class" [n]; of sequences "stamps", "dynamic", "codes"
and "times" are lists with one tensor [step, ..] for each object, which is read alone and without padding.
"""

import json
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file


def views(x, count=4, cut=0, **_):
    """`count` rotations of stamps [n, channel, y, x], all first views first: quarters exact, others bilinear."""
    side = x.shape[-1]
    at = torch.linspace(-1, 1, side, dtype=torch.float64)
    v, u = torch.meshgrid(at, at, indexing="ij")
    turned = []
    for i in range(count):
        if 4 * i % count == 0:
            turned.append(torch.rot90(x, 4 * i // count, (2, 3)))
        else:
            cos, sin = math.cos(2 * math.pi * i / count), math.sin(2 * math.pi * i / count)
            grid = torch.stack([cos * u - sin * v, sin * u + cos * v], 2).to(x.dtype).expand(len(x), side, side, 2)
            turned.append(F.grid_sample(x, grid, padding_mode="border", align_corners=True))
    border = (side - cut) // 2 if cut else 0
    return torch.cat(turned)[:, :, border : side - border, border : side - border]


class Trunk(nn.Module):
    def __init__(self, channels, kernel):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 4, padding=3)
        for i, (inputs, outputs) in enumerate([(32, 32), (32, 64), (64, 64), (64, 64)]):
            setattr(self, f"conv{i + 2}", nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))

    def forward(self, x, leak=0.0):
        for i in range(1, 6):
            x = F.leaky_relu(getattr(self, f"conv{i}")(x), leak)
            x = F.max_pool2d(x, 2) if i in (2, 5) else x
        return x.flatten(1)

    @staticmethod
    def features(side):
        return 64 * ((side + 3) // 4) ** 2


class Classifier(nn.Module):
    def loss(self, batch):
        log_p = F.log_softmax(self(batch), 1)
        entropy = -(log_p.exp() * log_p).sum(1).mean()
        return F.nll_loss(log_p, batch["class"]) - self.s.get("entropy", 0.0) * entropy

    def probabilities(self, batch):
        return F.softmax(self(batch), 1)


class StampClassifier(Classifier):
    def __init__(self, s):
        super().__init__()
        self.s, side = s, s["rotations"]["cut"] or s["crop"]
        self.trunk, self.dense1 = Trunk(s["channels"], s["kernel"]), nn.Linear(Trunk.features(side), 64)
        self.norm = nn.BatchNorm1d(s["metadata"]) if s["metadata"] else None
        self.dense2, self.dense3 = nn.Linear(64 + s["metadata"], 64), nn.Linear(64, 64)
        self.logits, self.dropout = nn.Linear(64, s["classes"]), nn.Dropout(s["dropout"])

    def forward(self, batch):
        x, count = batch["stamps"], self.s["rotations"]["count"]
        h = self.dropout(F.relu(self.dense1(self.trunk(views(x, **self.s["rotations"])))))
        h = h.view(count, len(x), 64).mean(0)
        h = torch.cat([h, self.norm(batch["metadata"])], 1) if self.norm else h
        return self.logits(self.dropout(F.relu(self.dense3(self.dropout(F.relu(self.dense2(h)))))))


class DeepHits(Classifier):
    def __init__(self, s):
        super().__init__()
        self.s, self.trunk, self.dropout = s, Trunk(s["channels"], 3), nn.Dropout(s["dropout"])
        self.dense1, self.dense2 = nn.Linear(4 * Trunk.features(s["crop"]), 64), nn.Linear(64, 64)
        self.logits = nn.Linear(64, s["classes"])

    def forward(self, batch):
        x, leak = batch["stamps"], self.s["leak"]
        h = self.trunk(views(x), leak).view(4, len(x), -1).transpose(0, 1).flatten(1)
        for dense in (self.dense1, self.dense2):
            h = self.dropout(F.leaky_relu(dense(h), leak))
        return self.logits(h)


class ConvAutoencoder(nn.Module):
    """`conv_autoencoder`, `vae` and `vade`."""

    def __init__(self, s):
        super().__init__()
        self.s, maps, latent, side = s, s["maps"], s["latent"], s["crop"]
        block = lambda inputs, stride=1: nn.Sequential(
            nn.Conv2d(inputs, maps, 3, stride, 1), nn.BatchNorm2d(maps), nn.ReLU()
        )
        self.half, self.quarter = (side + 1) // 2, (side + 3) // 4
        self.encoder = nn.Sequential(block(s["channels"]), block(maps, 2), block(maps), block(maps, 2))
        self.mu = nn.Linear(maps * self.quarter**2, latent)
        self.expand = nn.Linear(latent, maps * self.quarter**2)
        self.d12, self.d34 = nn.Sequential(block(maps), block(maps)), nn.Sequential(block(maps), block(maps))
        self.d5, self.d6 = block(maps), nn.Conv2d(maps, s["channels"], 3, 1, 1)
        if "variance_head" in s:
            self.log_var = nn.Linear(maps * self.quarter**2, latent)
            if s["variance_head"]:
                self.variance_head = nn.Sequential(nn.Linear(latent, 36), nn.ReLU(), nn.Linear(36, 1))
        if "clusters" in s:
            sizes = {"logits": (), "centres": (latent,), "spreads": (latent,)}
            self.mixture = nn.ParameterDict({n: torch.zeros(s["clusters"], *size) for n, size in sizes.items()})

    def codes(self, batch):
        return self.mu(self.encoder(batch["stamps"]).flatten(1))

    def decode(self, z):
        y = self.d12(F.relu(self.expand(z)).view(len(z), -1, self.quarter, self.quarter))
        y = self.d34(F.interpolate(y, size=self.half, mode="nearest"))
        return self.d6(self.d5(F.interpolate(y, size=self.s["crop"], mode="nearest")))

    def forward(self, batch):
        return self.decode(self.codes(batch))

    def loss(self, batch):
        """While it learns codes are drawn, at use they are their means; `warm_up` is left out."""
        x, z = batch["stamps"], self.codes(batch)
        if "variance_head" not in self.s:
            return ((x - self.decode(z)) ** 2).flatten(1).sum(1).mean()
        mean, log_var = z, self.log_var(self.encoder(x).flatten(1))
        z = mean + self.training * (0.5 * log_var).exp() * torch.randn_like(mean)
        fit = ((x - self.decode(z)) ** 2).flatten(1).sum(1)
        if self.s["variance_head"]:
            variance = torch.exp(-5 * torch.sigmoid(self.variance_head(z)[:, 0]))
            fit = fit / (2 * variance) + 0.5 * x[0].numel() * torch.log(2 * math.pi * variance)
        if "clusters" not in self.s:
            return (fit + 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)).mean()
        v, centres = self.mixture["spreads"].exp() + self.s["floor"], self.mixture["centres"]
        log_pi = F.log_softmax(self.mixture["logits"], 0)
        near = torch.distributions.Normal(centres, v.sqrt()).log_prob(z[:, None]).sum(2)
        log_gamma = F.log_softmax(log_pi + near, 1)
        cross = 0.5 * (v.log() + (log_var.exp()[:, None] + (mean[:, None] - centres) ** 2) / v).sum(2)
        divergence = (log_gamma.exp() * (log_gamma - log_pi + cross)).sum(1) - 0.5 * (1 + log_var).sum(1)
        return (fit + divergence).mean()


def reader(cell, inputs, width, layers, kernel):
    """What reads a sequence [step, input]: recurrent units or convolutions."""
    if cell == "conv1d":
        return nn.ModuleList([nn.Conv1d(width if i else inputs, width, kernel) for i in range(layers)])
    return {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](inputs, width, layers)


def read(reader, x):
    """Last state, or the mean over time of causal convolutions."""
    if not isinstance(reader, nn.ModuleList):
        return reader(x)[0][-1]
    for layer in reader:
        x = F.relu(layer(F.pad(x.T, (layer.kernel_size[0] - 1, 0)))).T
    return x.mean(0)


class TemporalStampClassifier(Classifier):
    def __init__(self, s):
        super().__init__()
        self.s, r, side = s, s["reading"], s["rotations"]["cut"] or s["crop"]
        images, told = s["sees"] != "metadata", s["sees"] != "images"
        dynamic, static = s["dynamic"] if told else min(s["dynamic"], 1), s["fixed"] if told else 0
        if images:
            self.trunk, self.dense1 = Trunk(s["channels"], s["kernel"]), nn.Linear(Trunk.features(side), 64)
        self.dynamic, self.static = nn.BatchNorm1d(dynamic), nn.BatchNorm1d(static) if static else None
        self.reader = reader(r["cell"], 64 * images + dynamic, r["width"], r["layers"], r["kernel"])
        self.dense2, self.dense3 = nn.Linear(r["width"] + static, 64), nn.Linear(64, 64)
        self.logits, self.dropout = nn.Linear(64, s["classes"]), nn.Dropout(s["dropout"])

    def forward(self, batch):
        lengths, parts = [len(x) for x in batch["stamps"]], []
        if hasattr(self, "trunk"):
            x, count = torch.cat(batch["stamps"]), self.s["rotations"]["count"]
            x = F.relu(self.dense1(self.trunk(views(x, **self.s["rotations"]))))
            parts.append(x.view(count, -1, 64).mean(0))
        parts.append(self.dynamic(torch.cat(batch["dynamic"])[:, : self.dynamic.num_features]))
        h = torch.stack([read(self.reader, x) for x in torch.cat(parts, 1).split(lengths)])
        h = torch.cat([h, self.static(batch["static"])], 1) if self.static else h
        return self.logits(F.relu(self.dense3(self.dropout(F.relu(self.dense2(h))))))


class BatchRenorm(nn.BatchNorm2d):
    """At use a batch norm; while it learns, rows are normalised nearly as they are at use (Ioffe 2017)."""

    def __init__(self, columns, s):
        super().__init__(columns)
        self.limits, self.warm_up = (s["r_max"], s["d_max"]), s["renorm_steps"]
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        shape, n = (1, -1, 1, 1), x.numel() / x.shape[1]
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        open_ = min(1.0, self.steps.item() / self.warm_up) if self.warm_up else 1.0
        r_max, d_max = 1 + open_ * (self.limits[0] - 1), open_ * self.limits[1]
        deviation, running = (variance + self.eps).sqrt(), (self.running_var + self.eps).sqrt()
        r = (deviation / running).clamp(1 / r_max, r_max).detach()
        d = ((mean - self.running_mean) / running).clamp(-d_max, d_max).detach()
        self.running_mean = 0.9 * self.running_mean + 0.1 * mean.detach()
        self.running_var = 0.9 * self.running_var + 0.1 * variance.detach() * n / (n - 1)
        self.steps += 1
        y = (x - mean.view(shape)) / deviation.view(shape) * r.view(shape) + d.view(shape)
        return y * self.weight.view(shape) + self.bias.view(shape)


class Rcnn(Classifier):
    def __init__(self, s):
        super().__init__()
        self.s, images, maps = s, s["window"] * s["channels"], s["maps"]
        self.input = BatchRenorm(images, s)
        for i in range(1, 7):
            setattr(self, f"conv{i}", nn.Conv2d(maps if i > 1 else images, maps, 3, padding=1))
            setattr(self, f"norm{i}", BatchRenorm(maps, s))
        self.dense = nn.Linear(maps * ((s["crop"] + 3) // 4) ** 2, s["dense"])
        self.lstm, self.logits = nn.LSTM(s["dense"] + s["window"], s["hidden"]), nn.Linear(s["hidden"], s["classes"])
        self.dropout = nn.Dropout(s["dropout"])

    def each_step(self, batch):
        """Scores [step, class] of each object."""
        lengths, back, x, times = [len(t) for t in batch["times"]], torch.arange(self.s["window"]).flip(0), [], []
        for stamps, t in zip(batch["stamps"], batch["times"]):
            window = (torch.arange(len(t))[:, None] - back).clamp(min=0)  # before the first detection, its own
            x.append(stamps[window].flatten(1, 2))
            times.append(t[window])
        x = self.input(torch.cat(x))
        for i in range(1, 7):
            x = getattr(self, f"norm{i}")(F.relu(getattr(self, f"conv{i}")(x)))
            x = F.max_pool2d(x, 2, ceil_mode=True) if i % 3 == 0 else x
        x = torch.cat([self.dropout(F.relu(self.dense(x.flatten(1)))), torch.cat(times)], 1)
        return [self.logits(self.lstm(part)[0]) for part in x.split(lengths)]

    def forward(self, batch):
        return torch.stack([scores[-1] for scores in self.each_step(batch)])

    def loss(self, batch):
        pairs = zip(self.each_step(batch), batch["class"])
        return torch.stack([F.cross_entropy(s, c.repeat(len(s)), reduction="sum") for s, c in pairs]).mean()


class SequenceAutoencoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s, hidden, cell = s, s["hidden"], s.get("cell", "gru")
        width = s["dynamic"] + (s["codes"] or 64)
        if not s["codes"]:
            self.trunk, self.embed = Trunk(s["channels"], 5), nn.Linear(Trunk.features(s["crop"]), 64)
        elif s.get("maps"):
            coder = ConvAutoencoder({"channels": s["channels"], "crop": s["crop"], "latent": s["codes"], "maps": s["maps"]})
            self.autoencoder = nn.ModuleDict({"encoder": coder.encoder, "mu": coder.mu})
        self.encode = reader(cell, width, hidden, 1, s.get("taps"))
        self.decode = reader(cell, hidden + s["steps"] * (cell == "conv1d"), hidden, 1, s.get("taps"))
        self.out = nn.Linear(hidden, width)

    def detections(self, batch):
        """What is encoded of each object, and what it is compared with, each [step, value]."""
        lengths, dynamic = [len(x) for x in batch["dynamic"]], torch.cat(batch["dynamic"])
        if not self.s["codes"]:
            embedded = F.relu(self.embed(self.trunk(torch.cat(batch["stamps"]))))
            target = embedded.detach()
        else:
            embedded = target = torch.cat(batch["codes"])
        if self.s.get("maps"):
            embedded = self.autoencoder["mu"](self.autoencoder["encoder"](torch.cat(batch["stamps"])).flatten(1))
        return [torch.cat([x, dynamic], 1).split(lengths) for x in (embedded, target)]

    def told(self, code, steps):
        repeated = code.expand(steps, -1)
        if not isinstance(self.decode, nn.ModuleList):
            return self.out(self.decode(repeated)[0])
        x = torch.cat([repeated, torch.eye(steps, self.s["steps"])], 1).T
        taps = self.s["taps"]
        return self.out(F.relu(self.decode[0](F.pad(x, ((taps - 1) // 2, taps // 2)))).T)

    def codes(self, batch):
        return torch.stack([read(self.encode, x) for x in self.detections(batch)[0]])

    def forward(self, batch):
        return [self.told(code, len(x)) for code, x in zip(self.codes(batch), batch["dynamic"])]

    def loss(self, batch):
        given, targets = self.detections(batch)
        return F.mse_loss(torch.cat([self.told(read(self.encode, x), len(x)) for x in given]), torch.cat(targets))


NETWORKS = {
    "stamp_classifier": StampClassifier, "deep_hits": DeepHits, "temporal_stamp_classifier": TemporalStampClassifier,
    "rcnn": Rcnn, "conv_autoencoder": ConvAutoencoder, "vae": ConvAutoencoder, "vade": ConvAutoencoder,
    "sequence_autoencoder": SequenceAutoencoder,
}  # fmt: skip


def load(folder, card=None):
    """The network in `folder`, ready for use; with settings of another `card`, such as another dropout, if one is given."""
    card = json.loads(((card or folder) / "model.json").read_text())
    network, weights = NETWORKS[card["model"]](card["settings"]), load_file(folder / "weights.safetensors")
    missing, others = network.load_state_dict(weights, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    assert others in ([], ["warm_up_steps"]), others
    return network.eval()
