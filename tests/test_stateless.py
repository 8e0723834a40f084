"""Random numbers without a generator: SplitMix64, its statistics, and independence of how it is run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from mersearch import stateless

N = 200_000
KEY, STEP = torch.tensor(11), torch.tensor(3)


def splitmix(key: int, step: int, site: int, element: int) -> int:
    """The 64 bits of one element, with Python's integers."""
    mask = 2**64 - 1

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    base = mix((key + step * 0xD1342543DE82EF95 + (site + 1) * 0xAEF17502108EF2D9) & mask)
    return mix((base + (element + 1) * 0x9E3779B97F4A7C15) & mask)


@pytest.mark.parametrize(("key", "step", "site"), [(0, 0, 0), (2**62 - 1, 5, 3), (123456789, 10_000, 41)])
def test_the_numbers_are_splitmix64_written_with_python_integers(key: int, step: int, site: int) -> None:
    expected = [splitmix(key, step, site, i) for i in range(6)]
    double = stateless.uniform(torch.tensor(key), torch.tensor(step), site, (6,), torch.float64)
    single = stateless.uniform(torch.tensor(key), step, site, (2, 3))
    assert double.tolist() == [(bits >> 11) / 2**53 for bits in expected]
    assert single.flatten().tolist() == [(bits >> 40) / 2**24 for bits in expected]


def test_splitmix64_of_the_reference_state_gives_the_published_first_outputs() -> None:
    # The first outputs of SplitMix64 from the state 1234567, as in the test vectors of its ports.
    state = torch.tensor(1234567) + torch.arange(1, 3) * stateless._GAMMA
    bits = [int(value) % 2**64 for value in stateless._mix(state)]
    assert bits == [6457827717110365317, 3203168211198807973]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_numbers_are_uniform(dtype: torch.dtype) -> None:
    sample = stateless.uniform(KEY, STEP, 0, (N,), dtype)
    assert sample.dtype == dtype
    assert float(sample.min()) >= 0
    assert float(sample.max()) < 1
    counts = np.bincount((sample.numpy() * 256).astype(int), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_every_bit_is_set_half_of_the_time() -> None:
    bits = (stateless.uniform(KEY, STEP, 1, (N,)).double() * 2**24).long()
    ones = np.array([int(((bits >> place) & 1).sum()) for place in range(24)])
    z = (ones - N / 2) / np.sqrt(N / 4)
    assert stats.chi2.sf((z**2).sum(), 24) > 1e-4


def test_normal_numbers_are_standard_normal() -> None:
    sample = stateless.normal(KEY, STEP, 2, (N,), torch.float64).numpy()
    assert stats.kstest(sample, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 5 / np.sqrt(N)


def test_neighbouring_keys_steps_and_sites_are_independent() -> None:
    def draw(key: int, step: int, site: int) -> np.ndarray:
        return stateless.uniform(torch.tensor(key), torch.tensor(step), site, (N,)).numpy()

    reference = (draw(4, 7, 2) * 16).astype(int)
    for key, step, site in [(5, 7, 2), (4, 8, 2), (4, 7, 3), (5, 8, 2), (3, 7, 3), (4, 6, 3)]:
        pairs = reference * 16 + (draw(key, step, site) * 16).astype(int)
        assert stats.chisquare(np.bincount(pairs, minlength=256)).pvalue > 1e-4, (key, step, site)


@pytest.mark.parametrize("vary", ["key", "step", "site"])
def test_the_first_element_over_neighbouring_streams_is_uniform(vary: str) -> None:
    axis = torch.arange(20_000)
    if vary == "key":
        sample = torch.vmap(lambda key: stateless.uniform(key, STEP, 0, ()))(axis)
    elif vary == "step":
        sample = torch.vmap(lambda step: stateless.uniform(KEY, step, 0, ()))(axis)
    else:
        sample = torch.stack([stateless.uniform(KEY, STEP, site, ()) for site in range(3000)])
    assert stats.kstest(sample.numpy(), "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 5 / np.sqrt(len(sample))


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_draws_under_vmap_equal_draws_alone_in_any_chunk(chunk: int) -> None:
    keys, steps = torch.arange(100, 105), torch.arange(5)
    x = torch.linspace(-1, 1, 12).view(3, 4)

    def draws(key: torch.Tensor, step: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            stateless.uniform(key, step, 0, (2, 3)),
            stateless.normal(key, step, 1, (4,)),
            stateless.bernoulli(0.3, key, step, 2, (5,)),
            stateless.dropout(x, 0.5, key, step, 3),
        )

    alone = [draws(key, step) for key, step in zip(keys, steps, strict=True)]
    fused = [torch.vmap(draws)(*part) for part in zip(keys.split(chunk), steps.split(chunk), strict=True)]
    for place, parts in enumerate(zip(*fused, strict=True)):
        assert torch.equal(torch.cat(parts), torch.stack([one[place] for one in alone]))
    same_step = torch.vmap(draws, in_dims=(0, None))(keys, steps[2])
    assert torch.equal(same_step[0][2], alone[2][0])


def test_dropout_keeps_the_expectation_and_scales_what_it_keeps() -> None:
    dropped = stateless.dropout(torch.ones(N), 0.3, KEY, STEP, 0)
    assert sorted({round(value, 5) for value in dropped.unique().tolist()}) == [0.0, round(1 / 0.7, 5)]
    share = float((dropped == 0).double().mean())
    assert abs(share - 0.3) < 5 * np.sqrt(0.21 / N)


def test_dropout_at_zero_is_the_identity_and_at_one_is_zero() -> None:
    x = torch.randn(7, generator=torch.Generator().manual_seed(0))
    assert stateless.dropout(x, 0.0, KEY, STEP, 0) is x
    assert torch.equal(stateless.dropout(x, 1.0, KEY, STEP, 0), torch.zeros(7))


def test_the_mask_is_the_same_in_both_precisions_and_passes_the_gradient() -> None:
    x = torch.ones(1000, dtype=torch.float64, requires_grad=True)
    dropped = stateless.dropout(x, 0.4, KEY, STEP, 0)
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    single = stateless.dropout(torch.ones(1000), 0.4, KEY, STEP, 0)
    assert torch.equal(gradient == 0, single == 0)
    assert torch.equal(gradient, dropped)


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_a_probability_outside_the_unit_interval_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        stateless.bernoulli(p, KEY, STEP, 0, (3,))


class Net(nn.Module):
    """Every kind of parameter the rule knows, and one layer that comes and goes."""

    def __init__(self, extra: bool = False) -> None:
        super().__init__()
        if extra:
            self.added = nn.Linear(3, 3)
        self.conv = nn.Conv3d(4, 64, 3, bias=False)
        self.norm = nn.GroupNorm(4, 64)
        self.up = nn.ConvTranspose2d(64, 16, 4, stride=2)
        self.head = nn.Linear(500, 40)


@pytest.fixture(scope="module")
def parameters() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return stateless.initialise(Net(), 5, linear=("head",))


def test_initial_values_follow_the_rule(parameters: dict[str, torch.Tensor]) -> None:
    fan_in = {"conv.weight": 4 * 27 / 2, "up.weight": 64 * 16 / 4 / 2, "head.weight": 500}
    for name, fan in fan_in.items():
        values = parameters[name].double().numpy().ravel()
        assert stats.kstest(values * np.sqrt(fan), "norm").pvalue > 1e-4, name
    assert torch.equal(parameters["norm.weight"], torch.ones(64))
    for name in ("norm.bias", "up.bias", "head.bias"):
        assert not parameters[name].any()
    assert {values.dtype for values in parameters.values()} == {torch.float32}


def test_initial_values_have_the_names_and_shapes_of_the_module(parameters: dict[str, torch.Tensor]) -> None:
    shapes = {name: tensor.shape for name, tensor in Net().named_parameters()}
    assert {name: tensor.shape for name, tensor in parameters.items()} == shapes


def test_a_module_on_the_meta_device_runs_with_its_initial_values() -> None:
    net = nn.Sequential(nn.Linear(4, 3, device="meta"), nn.ReLU(), nn.LayerNorm(3, device="meta"))
    output = torch.func.functional_call(net, stateless.initialise(net, 1), torch.ones(2, 4))
    assert output.shape == (2, 3)
    assert output.isfinite().all()


def test_adding_a_layer_changes_no_other(parameters: dict[str, torch.Tensor]) -> None:
    more = stateless.initialise(Net(extra=True), 5, linear=("head",))
    assert set(more) - set(parameters) == {"added.weight", "added.bias"}
    assert all(torch.equal(more[name], values) for name, values in parameters.items())
    other = stateless.initialise(Net(), 6, linear=("head",))
    assert not torch.equal(other["conv.weight"], parameters["conv.weight"])


def test_a_parameter_without_a_rule_is_refused() -> None:
    net = nn.Linear(2, 2)
    net.register_parameter("scale", nn.Parameter(torch.ones(())))
    with pytest.raises(ValueError, match=r"received scale of shape \(\)"):
        stateless.initialise(net, 0)
    with pytest.raises(ValueError, match=r"received \['tail'\]"):
        stateless.initialise(Net(), 0, linear=("head", "tail"))
