"""Random numbers without a generator: every draw is a hash of (key, step, site, element).

A generator object has a position, so what it returns depends on what was drawn before, and it does not
vectorise over folds. Here a fold (`key`), a training step (`step`) and a place in the program (`site`, an int
that no two draws of one loss share) name a stream, and element i of the stream is SplitMix64's i-th output
from the state

    b = mix(key + step·C_step + (site + 1)·C_site),    bits_i = mix(b + (i + 1)·G)    (modulo 2**64),

so a draw is the same alone, under `torch.func.vmap`, in any chunk of folds and on any device.
Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor, nn

from mersearch import seeds


def _signed(value: int) -> int:
    value %= 2**64
    return value - 2**64 if value >= 2**63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)
_STEP = _signed(0xD1342543DE82EF95)
_SITE = 0xAEF17502108EF2D9
_FINE, _DOUBLE = 24, 53


def uniform(
    key: Tensor, step: Tensor | int, site: int, shape: Sequence[int], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Uniform numbers in [0, 1) of `shape`: multiples of 2**-24, or of 2**-53 for float64.

    Args:
        key: int64 scalar of the fold.
        step: int64 scalar, the training step.
        site: the place of this draw in the program.
        shape: shape of the result, for one fold.
        dtype: float32 or float64.
    """
    width = _DOUBLE if dtype == torch.float64 else _FINE
    return _top(_bits(key, step, site, shape), width).to(dtype) * math.ldexp(1.0, -width)


def normal(
    key: Tensor, step: Tensor | int, site: int, shape: Sequence[int], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Standard normal numbers of `shape` (Box–Muller, computed in float64, then rounded to `dtype`)."""
    pair = uniform(key, step, site, (2, *shape), torch.float64)
    radius = torch.sqrt(-2 * torch.log1p(-pair[0]))
    return (radius * torch.cos(2 * math.pi * pair[1])).to(dtype)


def bernoulli(p: float, key: Tensor, step: Tensor | int, site: int, shape: Sequence[int]) -> Tensor:
    """True with probability `p` (to 2**-24), bool of `shape`, whatever the precision of the training.

    Raises:
        ValueError: `p` is outside [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"a probability must be in [0, 1], received {p}")
    return _top(_bits(key, step, site, shape), _FINE).lt(round(p * 2**_FINE))


def dropout(x: Tensor, p: float, key: Tensor, step: Tensor | int, site: int) -> Tensor:
    """`x` with every element zeroed with probability `p` and the others divided by 1 − p; `p` = 0 gives `x`."""
    if p == 0:
        return x
    keep = bernoulli(1 - p, key, step, site, x.shape)
    return x * (keep.to(x.dtype) * (1 / (1 - p) if p < 1 else 0.0))


def initialise(module: nn.Module, key: int, *, linear: Collection[str] = ()) -> dict[str, Tensor]:
    """Parameters of `module` (which may be on the meta device) by rule, float32 on the CPU.

    Weights with two dimensions or more are normal with variance 2 / fan-in (He), or 1 / fan-in (LeCun) where the
    layer's name is in `linear` because no rectifier follows it; weights with one dimension (normalisation)
    are 1; biases are 0. The numbers of a tensor depend on (key, name) only: adding a layer changes no other.

    Args:
        module: where names, shapes and layer types come from; its own values are not read.
        key: seed of the fold.
        linear: names of layers, as in `module.named_modules()`.

    Raises:
        ValueError: a parameter that no rule covers, or a name in `linear` that is no layer.
    """
    layers = dict(module.named_modules())
    unknown = sorted(set(linear) - set(layers))
    if unknown:
        raise ValueError(f"`linear` must name layers of the module, received {unknown}")
    return {
        name: _initial(name, layer, parameter, key, 1.0 if path in linear else 2.0)
        for path, layer, name, parameter in _named(layers)
    }


def _named(layers: dict[str, nn.Module]) -> Iterator[tuple[str, nn.Module, str, Tensor]]:
    for path, layer in layers.items():
        for leaf, parameter in layer.named_parameters(recurse=False):
            yield path, layer, f"{path}.{leaf}" if path else leaf, parameter


def _initial(name: str, layer: nn.Module, parameter: Tensor, key: int, gain: float) -> Tensor:
    leaf = name.rpartition(".")[2]
    if parameter.dim() >= 2:
        stream = torch.tensor(seeds.seed(key, name), device="cpu")
        return normal(stream, 0, 0, parameter.shape) * math.sqrt(gain / _fan_in(layer, parameter))
    if leaf in ("weight", "bias"):
        return torch.full(parameter.shape, 1.0 if leaf == "weight" else 0.0, device="cpu")
    raise ValueError(
        f"a parameter with fewer than two dimensions must be called weight (starts at 1) or bias (starts at 0), "
        f"received {name} of shape {tuple(parameter.shape)}"
    )


def _fan_in(layer: nn.Module, parameter: Tensor) -> float:
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        inputs = parameter.shape[0] / layer.groups
        return max(1.0, inputs * parameter[0, 0].numel() / math.prod(layer.stride))
    return float(parameter[0].numel())


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser, in place; torch shifts arithmetically, so the sign bits are masked away."""
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        z ^= (z >> shift).bitwise_and_(2 ** (64 - shift) - 1)
        z *= factor
    z ^= (z >> 31).bitwise_and_(2**33 - 1)
    return z


def _bits(key: Tensor, step: Tensor | int, site: int, shape: Sequence[int]) -> Tensor:
    moved = _signed(step * _STEP) if isinstance(step, int) else step * _STEP
    base = _mix(key + moved + _signed((site + 1) * _SITE))
    element = torch.arange(1, math.prod(shape) + 1, device=key.device).mul_(_GAMMA)
    return _mix(base + element).view(tuple(shape))


def _top(bits: Tensor, width: int) -> Tensor:
    return (bits >> (64 - width)).bitwise_and_(2**width - 1)
