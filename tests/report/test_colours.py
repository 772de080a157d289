"""Colours that are read on white and on black."""

import pytest

from keras_inits.records import SEVERITIES
from keras_inits.report.colours import DIM, GOOD, SEVERITY_COLOURS


def luminance(colour):
    """As the Web Content Accessibility Guidelines 2.1 define it for sRGB."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
@pytest.mark.parametrize("colour", [DIM, GOOD, *SEVERITY_COLOURS.values()])
def test_a_colour_is_readable_on_light_and_on_dark_pages(colour, page):
    low, high = sorted([luminance(colour), luminance(page)])
    assert (high + 0.05) / (low + 0.05) >= 4.2


def test_each_severity_has_its_colour():
    assert set(SEVERITY_COLOURS) == set(SEVERITIES)
    assert len(set(SEVERITY_COLOURS.values())) == len(SEVERITIES)
