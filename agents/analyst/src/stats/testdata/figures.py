"""Writes figures.json: numbers that break careless arithmetic, with mean, deviation and quantiles from exact fractions.

    python3 figures.py > figures.json
"""
import json, random, statistics
from fractions import Fraction

r = random.Random(20260102)
sets = {
    "beyond the largest sum": [1.7e308, -1.6e308, 1.5e308, -1.2e308, 9e307, 3e307, -8e307],
    "the largest and its like": [1.7976931348623157e308] * 5 + [1.6e308],
    "the smallest": [5e-324, 1e-323, 2e-308, 1e-308, 3e-308, 7e-310],
    "small beside large": [1e16, 1.0, -1e16, 2.0, 1e16, 3.0, -1e16],
    "a large offset": [1e15 + n * 0.125 for n in (0, 1, 3, 7, 2, 5, 1, 0)],
    "tenths": [0.1] * 10 + [0.3, 0.7],
    "one hundred and one": [r.gauss(1e6, 1e-3) for _ in range(101)],
    "money": [round(r.uniform(-5e4, 9e5), 2) for _ in range(141)],
    "all scales": [r.choice((-1, 1)) * r.random() * 10.0 ** r.randint(-300, 300) for _ in range(200)],
    "two": [3.0, 4.0],
    "whole numbers": [float(r.randint(-10**15, 10**15)) for _ in range(61)],
}


def percentile(values, p):
    values = sorted(Fraction(v) for v in values)
    place = Fraction(p * (len(values) - 1), 100)
    low = int(place)
    if place == low:
        return float(values[low])
    return float(values[low] + (place - low) * (values[low + 1] - values[low]))


def stdev(values):
    exact = [Fraction(v) for v in values]
    mean = sum(exact) / len(exact)
    variance = sum((v - mean) ** 2 for v in exact) / (len(exact) - 1)
    # The square root to far more digits than a float has, by whole numbers.
    scale = 1 << 4400
    from math import isqrt
    return float(Fraction(isqrt(variance.numerator * scale * scale // variance.denominator), scale))


out = []
for name, values in sets.items():
    mean = float(sum(Fraction(v) for v in values) / len(values))
    if max(map(abs, values)) < 1e150:
        assert mean == statistics.mean(values)
    out.append({"name": name, "values": values, "mean": mean, "stdev": stdev(values),
                "percentiles": {str(p): percentile(values, p) for p in (0, 5, 25, 50, 75, 95, 100)}})
print(json.dumps(out, indent=1))
