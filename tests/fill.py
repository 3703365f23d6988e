"""Deterministic parameters and clips for comparing two implementations of one network.

fill(net) overwrites every entry of net.state_dict() with values that depend only on the entry's
full name and shape: not on the order of modules, not on torch's random numbers or version. (The raw
output of Philox is fixed by numpy's own guarantee; exact integer-to-float arithmetic follows.)
Call it on the outermost network: a wrapper's prefix ("model.") changes the names and so the values.
"""

import hashlib
import math

import numpy as np
import torch


def uniform(name, shape):
    """Values in [-1, 1), float32, a function of name and shape only."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    n = math.prod(shape)
    raw = np.random.Philox(key=key).random_raw(n) >> np.uint64(40)  # 24 random bits each
    return torch.from_numpy((raw.astype(np.float64) / 2**23 - 1).astype(np.float32)).reshape(shape)


@torch.no_grad()
def fill(net, gain=1.4):
    for name, t in net.state_dict().items():
        last, shape = name.rsplit(".", 1)[-1], tuple(t.shape)
        if last == "num_batches_tracked":
            t.zero_()
            continue
        u = uniform(name, shape)
        if last == "running_var":
            v = 1 + u / 2  # [0.5, 1.5)
        elif last in ("running_mean", "bias"):
            v = u / 5
        elif t.dim() >= 2:  # convolution or linear: std gain / sqrt(fan in)
            v = u * (gain * math.sqrt(3 / math.prod(shape[1:])))
        else:  # normalisation weight; a residual branch's last one is small so that sums stay bounded
            v = (1 + u / 2) * (0.2 if ".norm_c." in name else 1.0)
        t.copy_(v)
    return net


def input(shape):
    """A clip (batch, channels, frames, height, width), float32, without symmetries, of order 1."""
    b, c, t, h, w = np.meshgrid(*[np.arange(n, dtype=np.float64) for n in shape], indexing="ij")
    x = np.sin(0.11 * h + 0.07 * (1 + 0.3 * c) * w + 0.5 * t + c + 0.7 * b)
    x += 0.7 * np.sin(0.31 * w - 0.23 * h + 0.9 * c - 0.8 * t) * np.sin(0.013 * h + 0.029 * w + 0.2 * t + b)
    x += 0.4 * np.sin(0.9 * h + 0.4 * w + 0.3 * t * (1 + c)) * np.sin(0.021 * w - 0.017 * h + 0.3)
    return torch.from_numpy(x.astype(np.float32))
