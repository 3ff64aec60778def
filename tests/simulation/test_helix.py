from __future__ import annotations

import numpy as np
import pytest

from salt_like.simulation.helix import CURVATURE, Perigee, perigee

FIELD = 2.0


@pytest.fixture
def particles():
    """500 particles produced up to 0.3 m from the beam: position, momentum, charge."""
    rng = np.random.default_rng(3)
    number = 500
    radius, angle = rng.uniform(0, 300, number), rng.uniform(-np.pi, np.pi, number)
    position = np.stack([radius * np.cos(angle), radius * np.sin(angle), rng.normal(0, 200, number)])
    pt, phi, eta = rng.uniform(0.5, 20, number), rng.uniform(-np.pi, np.pi, number), rng.uniform(-2.5, 2.5, number)
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    return position, momentum, rng.choice([-1.0, 1.0], number)


def of(position, momentum, charge, vertex=(0.0, 0.0, 0.0), field=FIELD) -> Perigee:
    return perigee(*position, *momentum, charge, *np.asarray(vertex), field)


def propagated(position, momentum, charge, length, steps=200):
    """Position and momentum after a transverse path (mm), by Runge-Kutta steps with the Lorentz force."""
    state = np.concatenate([position, momentum])
    pt = np.hypot(*momentum[:2])
    step = length / steps

    def slope(state):
        px, py, pz = state[3:]
        force = CURVATURE * FIELD * charge
        return np.array([px / pt, py / pt, pz / pt, force * py / pt, -force * px / pt, 0.0])

    for _ in range(steps):
        one = slope(state)
        two = slope(state + step / 2 * one)
        three = slope(state + step / 2 * two)
        four = slope(state + step * three)
        state = state + step / 6 * (one + 2 * two + 2 * three + four)
    return state[:3], state[3:]


def test_distance_is_that_of_the_centre_less_the_radius(particles):
    position, momentum, charge = particles
    vertex = np.array([[0.3], [-0.2], [40.0]])
    found = of(position, momentum, charge, vertex)
    pt = np.hypot(*momentum[:2])
    radius = pt / (CURVATURE * FIELD)
    # a positive particle turns clockwise: its centre lies to the right
    right = np.stack([momentum[1], -momentum[0]]) / pt
    centre = position[:2] + charge * radius * right
    distance = np.hypot(*(centre - vertex[:2]))
    np.testing.assert_allclose(np.abs(found.d0), np.abs(distance - radius), atol=1e-9)
    # the centre of a positive one lies to the right, and so does the vertex where d0 > 0: if it is within the circle
    np.testing.assert_allclose(found.d0, charge * (radius - distance), atol=1e-9)


def test_the_point_is_where_it_is_said_to_be_and_flight_is_across(particles):
    """Going from the perigee along the helix one arrives at the production point with its momentum."""
    position, momentum, charge = (each[..., :20] for each in particles)
    found = of(position, momentum, charge)
    for row in range(20):
        phi, theta = found.phi[row], found.theta[row]
        p = abs(1.0 / found.q_over_p[row])
        start = np.array([-found.d0[row] * np.sin(phi), found.d0[row] * np.cos(phi), found.z0[row]])
        direction = np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
        length = (position[2, row] - start[2]) * np.tan(theta)
        end, end_momentum = propagated(start, p * direction, charge[row], length)
        np.testing.assert_allclose(end, position[:, row], atol=1e-6)
        np.testing.assert_allclose(end_momentum, momentum[:, row], atol=1e-9)


def test_no_point_nearby_is_nearer():
    position, momentum = np.array([20.0, 35.0, -7.0]), np.array([0.7, 0.9, 1.2])
    for charge in (-1.0, 1.0):
        found = of(position, momentum, charge)
        distances = [np.hypot(*propagated(position, momentum, charge, s, 20)[0][:2]) for s in np.linspace(-90, 20, 111)]
        assert abs(found.d0) <= min(distances) + 1e-9
        assert abs(found.d0) == pytest.approx(min(distances), abs=0.02)


def test_rotation_about_the_beam_turns_only_the_direction(particles):
    position, momentum, charge = particles
    angle = 1.1
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    before, after = of(position, momentum, charge), of(turn @ position, turn @ momentum, charge)
    np.testing.assert_allclose(after.d0, before.d0, atol=1e-9)
    np.testing.assert_allclose(after.z0, before.z0, atol=1e-9)
    np.testing.assert_allclose(np.cos(after.phi - before.phi - angle), 1.0, atol=1e-12)
    np.testing.assert_allclose(after.theta, before.theta)
    np.testing.assert_allclose(after.q_over_p, before.q_over_p)


def test_mirror_image_of_the_other_charge_has_the_opposite_distance(particles):
    position, momentum, charge = particles
    mirror = np.array([[1.0], [-1.0], [1.0]])
    before, after = of(position, momentum, charge), of(mirror * position, mirror * momentum, -charge)
    np.testing.assert_allclose(after.d0, -before.d0, atol=1e-9)
    np.testing.assert_allclose(after.phi, -before.phi, atol=1e-12)
    np.testing.assert_allclose(after.z0, before.z0, atol=1e-9)


def test_shifting_everything_changes_nothing(particles):
    position, momentum, charge = particles
    shift = np.array([[0.4], [-1.0], [60.0]])
    here, there = of(position, momentum, charge), of(position + shift, momentum, charge, shift)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-9)


def test_any_point_of_the_helix_has_the_same_perigee():
    momentum = np.array([1.0, 0.4, 0.8])
    here = of(np.array([5.0, -3.0, 10.0]), momentum, 1.0)
    position, momentum = propagated(np.array([5.0, -3.0, 10.0]), momentum, 1.0, 250.0)
    np.testing.assert_allclose(of(position, momentum, 1.0), here, atol=1e-7)


def test_sign():
    """A particle at y = +2 mm that flies along x leaves the vertex on its right."""
    found = of(np.array([0.0, 2.0, 5.0]), np.array([10.0, 0.0, 10.0]), 1.0)
    assert found.d0 == pytest.approx(2.0)
    assert (found.phi, found.z0) == (pytest.approx(0.0), pytest.approx(5.0))
    assert found.theta == pytest.approx(np.pi / 4)
    assert found.q_over_p == pytest.approx(1 / np.hypot(10, 10))


def test_straight_lines(particles):
    """Neutral ones, and the limit of momenta so large that nothing bends."""
    position, momentum, charge = particles
    straight = of(position, momentum, np.zeros_like(charge))
    pt = np.hypot(*momentum[:2])
    cos, sin = momentum[:2] / pt
    np.testing.assert_allclose(straight.d0, position[1] * cos - position[0] * sin, atol=1e-12)
    along = position[0] * cos + position[1] * sin
    np.testing.assert_allclose(straight.z0, position[2] - along * momentum[2] / pt, atol=1e-9)
    assert np.all(straight.q_over_p == 0.0)
    for huge in (1e6, 1e9, 1e13):
        nearly = of(position, huge * momentum, charge)
        np.testing.assert_allclose(nearly.d0, straight.d0, atol=3e2 / huge * 300)
        np.testing.assert_allclose(nearly.z0, straight.z0, atol=1e4 / huge * 300)


def test_angles_are_within_half_a_turn_of_the_given_point(particles):
    position, momentum, charge = particles
    found = of(position, momentum, charge)
    assert np.all(np.abs(found.phi) <= np.pi)
    turned = np.cos(found.phi - np.arctan2(momentum[1], momentum[0]))
    assert turned.min() > -1.0
    assert np.all((found.theta > 0) & (found.theta < np.pi))
