"""The kinds of curve: what the table promises of each row."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from train._calibration.families.table import FAMILIES, find_family
from train._exact.moments import plane, polynomial


@pytest.mark.parametrize("features", range(1, 9))
def test_one_kind_suits_each_number_of_features(features):
    assert [find_family(features)] == [row for row in FAMILIES if row.suits(features)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    ("features", "degree", "terms"),
    [(1, 1, polynomial(1)), (1, 4, polynomial(4)), (3, 1, plane(3))],
)
def test_terms_come_lowest_first(features, degree, terms, intercept):
    assert find_family(features)(features, degree, intercept).terms == terms[not intercept :]


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(("features", "degree"), [(1, 3), (1, 1)])
def test_plain_powers_are_the_curve_that_the_steps_evaluate(features, degree, centered):
    family = find_family(features)(features, degree)
    domain = [(Fraction(2), Fraction(6))] * features
    exact = {powers: Fraction(k + 1, 4) for k, powers in enumerate(family.terms)}
    curve = family.rounded(exact, domain, "float64", centered=centered)
    constants = {f"c{k}": Fraction(c) for k, c in enumerate(curve.coefficients)}
    if centered:
        constants |= {"shift": Fraction(curve.shift[0]), "scale": Fraction(curve.scale)}
    answer = family.evaluate(SimpleNamespace(**constants), Fraction(5))
    assert answer == sum(c * 5**power for (power,), c in family.plain_powers(curve).items())
