"""Estimators of information against closed forms and loops; what they read when a feature tells the subject."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainables.information import (
    Draw,
    entropy,
    even,
    gaussian,
    log_ratio,
    people,
    reading,
    trained,
    truth,
)
from trainables.disentangle.critic import Conditional, Critic
from trainables.disentangle.information import Estimator, build
from trainables.disentangle.information.club import Club
from trainables.disentangle.information.infonce import InfoNCE
from trainables.disentangle.information.mine import Mine
from trainables.disentangle.information.smile import Smile
from trainables.disentangle.sampling import distinct, pair_weights
from trainables.disentangle.settings import InformationSettings

LOWER: dict[str, Estimator] = {"mine": Mine(0.9), "smile": Smile(5.0), "infonce": InfoNCE()}
EVERY: dict[str, Estimator] = {**LOWER, "club": Club()}
CORRELATIONS = (0.5, 0.8, 0.9)
UNEVEN = [1, 1, 2, 2, 2, 3, 3, 4, 6, 9, 15]
"""Clips of each person: one who has a single clip, many who have few, one who has a third of all."""


@pytest.mark.parametrize("rho", CORRELATIONS)
@pytest.mark.parametrize("name", LOWER)
def test_the_exact_log_ratio_of_gaussians_reads_their_information(name: str, rho: float) -> None:
    """All three are consistent here: log B = 7.6 and τ = 5 are far above the 0.14 to 0.83 nats to be read."""
    m, z = gaussian(rho, 2000, seed=0)
    assert abs(float(LOWER[name].estimate(log_ratio(m, z, rho), even(2000))) - truth(rho)) < 0.1


@pytest.mark.parametrize("rho", CORRELATIONS)
@pytest.mark.parametrize("name", LOWER)
def test_the_mean_over_batches_of_32_is_within_a_tenth_of_a_nat_too(name: str, rho: float) -> None:
    def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
        return *gaussian(rho, 32, step), even(32)

    read = reading(LOWER[name], lambda m, z: log_ratio(m, z, rho), draw, 200)
    assert abs(read - truth(rho)) < 0.1


@pytest.mark.parametrize("name", LOWER)
def test_a_trained_critic_reads_the_information_of_gaussians(name: str) -> None:
    def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
        return *gaussian(0.8, 64, step), even(64)

    critic = trained(LOWER[name], draw, (1, 1), steps=300, lr=5e-3)
    assert abs(reading(LOWER[name], critic, draw, 60) - truth(0.8)) < 0.1


def test_infonce_stops_at_the_logarithm_of_the_batch_whatever_the_information() -> None:
    """The positive pair is one of B columns, so no score can lift its share above 1: I = 3.9 reads below log 8."""
    rho = 0.9998
    assert truth(rho) > math.log(8) + 1.5
    for seed in range(20):
        m, z = gaussian(rho, 8, seed)
        assert 1 < float(InfoNCE().estimate(log_ratio(m, z, rho), even(8))) <= math.log(8)


def test_cut_large_ratios_bias_smile_upwards_and_lifted_small_ones_downwards() -> None:
    """What is cut or lifted changes the mean of exp T under the product, not the joint term.

    When both features tell which of K people it is, T = log K for the own person and −∞ for others, so below log K
    the clip leaves e^τ / K + (1 − 1/K) e^−τ instead of a mean of 1.
    """
    K = 12
    scores = torch.where(torch.eye(K, dtype=torch.bool), math.log(K), float("-inf")).double()
    for clip in (0.5, 1.0, 2.4, 5.0, 20.0):
        mean = min(math.exp(clip), K) / K + (1 - 1 / K) * math.exp(-clip)
        read = float(Smile(clip).estimate(scores, torch.full((K, K), 1 / K**2, dtype=torch.float64)))
        assert read == pytest.approx(math.log(K) - math.log(mean))
        assert (read > math.log(K)) == (clip < 2)
    m, z = gaussian(0.9, 2000, seed=0)
    wide = float(Smile(50.0).estimate(log_ratio(m, z, 0.9), even(2000)))
    assert wide == pytest.approx(float(Mine(0.9).estimate(log_ratio(m, z, 0.9), even(2000))))


@pytest.mark.parametrize("rho", CORRELATIONS)
def test_the_exact_conditional_of_gaussians_gives_clubs_own_value_above_the_information(rho: float) -> None:
    """E_joint[log q] − E_product[log q] = ρ² / (1 − ρ²) ≥ I, since E (z − ρm)² is 1 − ρ² or 1 + ρ².

    The bound is a function of second moments only, so the sample is given the exact ones.
    """
    B = 4000
    m, noise = torch.randn(2, B, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    m = (m - m.mean()) / m.std()
    noise = noise - noise.mean() - m * (noise @ m) / (m @ m)
    z = rho * m + (1 - rho**2) ** 0.5 * noise / noise.std()
    log_q = -((z[None] - rho * m[:, None]) ** 2) / (2 * (1 - rho**2))
    read = float(Club().estimate(log_q, even(B)))
    assert read == pytest.approx(rho**2 / (1 - rho**2), abs=0.05)
    assert read > truth(rho)


def test_the_conditional_network_is_a_normalised_gaussian_density() -> None:
    network = Conditional(2, 1, 8).double()
    m = torch.tensor([[0.3, -1.0]], dtype=torch.float64)
    z = torch.linspace(-60, 60, 20_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        density = network(m, z).exp()[0]
    assert float(torch.trapezoid(density, z[:, 0])) == pytest.approx(1, abs=1e-6)


def test_the_critic_scores_all_pairs_as_a_perceptron_on_both_features_does() -> None:
    critic = Critic(3, 2, 5).double()
    m, z = torch.randn(4, 3).double(), torch.randn(4, 2).double()
    with torch.no_grad():
        scores = critic(m, z)
        first = torch.cat([critic.of_motion.weight, critic.of_identity.weight], 1)
        for i in range(4):
            for j in range(4):
                x = torch.relu(first @ torch.cat([m[i], z[j]]) + critic.of_motion.bias)
                expected = critic.score.weight @ torch.relu(critic.hidden(x))
                assert torch.allclose(scores[i, j], expected[0])


def test_an_estimator_has_the_name_and_the_setting_that_the_settings_say() -> None:
    for name, kind in {"mine": Mine(0.7), "smile": Smile(2.0), "infonce": InfoNCE(), "club": Club()}.items():
        settings = InformationSettings(estimator=name, decay=0.7, clip=2.0)  # type: ignore[arg-type]
        assert build(settings) == kind


# Loops


def a_batch(B: int = 5) -> tuple[Tensor, Tensor]:
    """Scores and uneven weights, 0 on the diagonal."""
    rng = torch.Generator().manual_seed(4)
    scores, weights = 2 * torch.randn(B, B, generator=rng).double(), torch.rand(B, B, generator=rng).double()
    weights = weights * (1 - torch.eye(B))
    return scores, weights / weights.sum()


def by_loop(name: str, scores: Tensor, weights: Tensor) -> float:
    """The estimate, term by term."""
    S, w, B = scores.tolist(), weights.tolist(), len(scores)
    everywhere = [(i, j) for i in range(B) for j in range(B)]
    joint = sum(S[i][i] for i in range(B)) / B
    if name == "mine":
        return joint - math.log(sum(w[i][j] * math.exp(S[i][j]) for i, j in everywhere))
    if name == "smile":
        clipped = {place: min(max(S[place[0]][place[1]], -1.5), 1.5) for place in everywhere}
        return joint - math.log(sum(w[i][j] * math.exp(clipped[i, j]) for i, j in everywhere))
    if name == "infonce":
        shares = [math.exp(S[i][i]) / (sum(math.exp(s) for s in S[i]) / B) for i in range(B)]
        return sum(map(math.log, shares)) / B
    return joint - sum(w[i][j] * S[i][j] for i, j in everywhere)


@pytest.mark.parametrize("name", EVERY)
def test_every_estimate_is_that_of_a_loop_over_pairs(name: str) -> None:
    scores, weights = a_batch()
    estimator = Smile(1.5) if name == "smile" else EVERY[name]
    assert float(estimator.estimate(scores, weights)) == pytest.approx(by_loop(name, scores, weights))


def test_smile_learns_by_the_jensen_shannon_bound_and_passes_its_gradient_on() -> None:
    scores, weights = a_batch()
    scores.requires_grad_()
    S, w, B = scores.tolist(), weights.tolist(), len(scores)
    bound = sum(-math.log1p(math.exp(-S[i][i])) for i in range(B)) / B
    bound -= sum(w[i][j] * math.log1p(math.exp(S[i][j])) for i in range(B) for j in range(B))
    loss, _ = Smile(1.5).learn(scores, weights, {})
    assert float(loss.detach()) == pytest.approx(-bound)
    (of_loss,) = torch.autograd.grad(loss, scores)
    (of_estimate,) = torch.autograd.grad(Smile(1.5).estimate(scores, weights), scores)
    assert torch.allclose(of_estimate, -of_loss)


def test_infonce_and_club_learn_by_bound_and_likelihood() -> None:
    scores, weights = a_batch()
    assert torch.equal(InfoNCE().learn(scores, weights, {})[0], -InfoNCE().estimate(scores, weights))
    assert float(Club().learn(scores, weights, {})[0]) == pytest.approx(-float(scores.trace()) / len(scores))


# The moving average of MINE


def steps_of_scores(steps: int = 6) -> list[tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(9)
    return [(torch.randn(4, 4, generator=rng).double() + t, even(4)) for t in range(steps)]


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_in_logarithms_is_the_plain_recursion(decay: float) -> None:
    state, average = {name: value.double() for name, value in Mine(decay).initial().items()}, None
    for scores, weights in steps_of_scores():
        _, state = Mine(decay).learn(scores, weights, state)
        batch = float((weights * scores.exp()).sum())
        average = batch if average is None else decay * average + (1 - decay) * batch
        assert float(state["log_mean"].exp()) == pytest.approx(average)


def test_the_gradient_of_mine_divides_by_the_average_not_by_the_batch() -> None:
    """∇ = E_joint[T'] − E_product[e^T T'] / a, for T = θ · S: T' = S; the loss has minus that gradient."""
    decay, theta = 0.8, torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    state, average = {name: value.double() for name, value in Mine(decay).initial().items()}, None
    for place, (S, weights) in enumerate(steps_of_scores()):
        loss, state = Mine(decay).learn(theta * S, weights, state)
        (gradient,) = torch.autograd.grad(loss, theta)
        value, s, w = theta.item(), S.tolist(), weights.tolist()
        pairs = [(i, j) for i in range(4) for j in range(4)]
        batch = sum(w[i][j] * math.exp(value * s[i][j]) for i, j in pairs)
        slope = sum(w[i][j] * math.exp(value * s[i][j]) * s[i][j] for i, j in pairs)
        average = batch if average is None else decay * average + (1 - decay) * batch
        assert float(gradient) == pytest.approx(-(float(S.trace()) / 4 - slope / average))
        assert place == 0 or float(gradient) != pytest.approx(-(float(S.trace()) / 4 - slope / batch))
        assert not state["log_mean"].requires_grad


def test_large_scores_do_not_overflow() -> None:
    scores, weights = a_batch()
    for estimator in EVERY.values():
        initial = {name: value.double() for name, value in estimator.initial().items()}
        loss, moved = estimator.learn(1e4 * scores, weights, initial)
        assert loss.isfinite()
        assert all(value.isfinite() for value in moved.values())
        assert estimator.estimate(1e4 * scores, weights).isfinite()


# The weights of pairs


def by_hand(subject: list[int], batch: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Every pair weighs what it stands for: chance in two independent draws / chance in this batch's pairs."""
    N, B = len(subject), len(batch)
    weight = np.zeros((B, B))
    for a, i in enumerate(batch):
        for b, j in enumerate(batch):
            n = subject.count(subject[i])
            if subject[i] != subject[j]:
                weight[a, b] = (1 / N**2) / (1 / (N * (N - 1)))
            elif a != b:
                weight[a, b] = (n**2 / N**2) / (n * (n - 1) / (N * (N - 1)))
            elif n == 1:
                weight[a, b] = (1 / N**2) / (1 / N / (B - 1))
    return weight / weight.sum()


@pytest.mark.parametrize("counts", [[3, 3], [1, 2, 3], UNEVEN, [4]])
def test_pair_weights_are_those_of_a_loop(counts: list[int]) -> None:
    subject = people(counts)
    micro = distinct(np.random.default_rng(0), len(subject), 5, 4)
    weights = pair_weights(subject, micro)
    for step in range(5):
        assert weights[step] == pytest.approx(by_hand(subject.tolist(), micro[step].tolist()), abs=1e-6)


@pytest.mark.parametrize("counts", [[2, 2, 2], [1, 2, 3], UNEVEN])
def test_under_the_weights_of_all_clips_the_subjects_of_a_pair_are_independent(counts: list[int]) -> None:
    subject = people(counts)
    (weights,) = pair_weights(subject, np.arange(len(subject))[None])
    p = np.array(counts) / sum(counts)
    pairs = np.zeros((len(counts), len(counts)))
    np.add.at(pairs, (subject[:, None], subject[None, :]), weights)
    assert pairs == pytest.approx(np.outer(p, p), abs=1e-6)


def test_the_one_clip_of_a_fold_is_its_only_pair() -> None:
    assert pair_weights(np.array([3]), np.zeros((2, 1), dtype=np.int64)).tolist() == [[[1.0]], [[1.0]]]


def test_only_the_single_clip_of_a_person_is_a_pair_with_itself() -> None:
    subject = people([1, 2, 5])
    (weights,) = pair_weights(subject, np.arange(8)[None])
    assert np.flatnonzero(np.diagonal(weights)).tolist() == [0]


# The ceiling


def telling(counts: list[int], size: int, weighted: bool = True) -> Draw:
    """Both features say the subject and nothing else; batches of distinct clips."""
    subject = people(counts)
    names = torch.eye(len(counts), dtype=torch.float64)

    def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
        micro = distinct(np.random.default_rng(step), len(subject), 1, size)
        who = torch.from_numpy(subject[micro[0]])
        weights = torch.from_numpy(pair_weights(subject, micro)[0]).double() if weighted else even(len(who))
        return names[who], 3 * names[who].flip(1), weights

    return draw


@pytest.mark.parametrize("counts", [[6] * 4, [1, 2, 3], UNEVEN])
def test_the_best_scores_read_exactly_the_entropy_over_all_clips_and_others_less(counts: list[int]) -> None:
    """T = log 1/p for a pair of one person, −∞ for others; also a person with one clip cannot be scored too high."""
    subject = people(counts)
    weights = torch.from_numpy(pair_weights(subject, np.arange(len(subject))[None])[0]).double()
    share = torch.from_numpy(np.array(counts)[subject] / len(subject))
    same = torch.from_numpy(subject[:, None] == subject[None, :])
    best = torch.where(same, -share.log()[:, None], float("-inf"))
    assert float(Mine(0.9).estimate(best, weights)) == pytest.approx(entropy(counts), abs=1e-6)
    for change in (-1.0, 1.0, 10.0):
        changed = best + change * (torch.from_numpy(subject) == 0)[:, None]
        assert float(Mine(0.9).estimate(changed, weights)) < entropy(counts) - 1e-3


@pytest.mark.parametrize("size", [24, 48])
@pytest.mark.parametrize("name", LOWER)
def test_features_that_tell_the_subject_read_no_more_than_its_entropy(name: str, size: int) -> None:
    """The worst critic is a trained one; people have 1 to 15 clips, and batches hold half of the clips or all."""
    draw = telling(UNEVEN, size)
    critic = trained(LOWER[name], draw, (11, 11), steps=200, lr=1e-2)
    assert entropy(UNEVEN) / 2 < reading(LOWER[name], critic, draw, 60) < entropy(UNEVEN) + 0.1


@pytest.mark.parametrize("name", ["mine", "smile"])
def test_without_the_weights_of_pairs_they_read_more_than_the_entropy(name: str) -> None:
    """Of people with two clips, pairs of different clips share the person half as often as they should."""
    few = [2] * 12
    critic = trained(LOWER[name], telling(few, 24, weighted=False), (12, 12), steps=200, lr=1e-2)
    weighted, plain = (reading(LOWER[name], critic, telling(few, 24, w), 20) for w in (True, False))
    assert plain > entropy(few) + 0.3
    assert weighted < entropy(few) + 0.1


def test_club_is_an_upper_bound_that_may_exceed_the_entropy() -> None:
    """The sharper the conditional, the higher: −E_product[log q] grows with the precision, without limit."""
    counts, read = [6] * 4, []
    m, z, weights = telling(counts, 24)(0)
    for precision in (1.0, 10.0):
        log_q = -precision * ((z[None] - 3 * m.flip(1)[:, None]) ** 2).sum(-1) / 2
        read.append(float(Club().estimate(log_q, weights)))
    assert read[0] > entropy(counts) + 1
    assert read[1] == pytest.approx(10 * read[0])


# What is not a number stays visible


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("place", [(0, 0), (0, 1)])
def test_a_score_that_is_no_number_makes_estimate_and_loss_no_number(
    name: str, place: tuple[int, int]
) -> None:
    scores, weights = a_batch()
    scores[place] = float("nan")
    if name == "club" and place != (0, 0):
        assert EVERY[name].estimate(scores, weights).isnan()
        return
    initial = {key: value.double() for key, value in EVERY[name].initial().items()}
    assert EVERY[name].estimate(scores, weights).isnan()
    assert EVERY[name].learn(scores, weights, initial)[0].isnan()


@pytest.mark.parametrize("name", EVERY)
def test_a_pair_that_occurs_with_a_score_of_minus_infinity_is_not_finite(name: str) -> None:
    scores, weights = a_batch()
    scores[0, 0] = float("-inf")
    assert not EVERY[name].estimate(scores, weights).isfinite()
