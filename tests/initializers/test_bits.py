"""Words are Philox's own, at every address."""

import numpy as np
import pytest

from keras_inits.initializers.bits import Bits

KEY = (0x0123456789ABCDEF, 0xFEDCBA9876543210)


def philox(counter, count):
    """The words that follow a 256-bit counter, from NumPy's generator as it comes."""
    generator = np.random.Philox(key=np.array(KEY, np.uint64), counter=counter)
    return generator.random_raw(count)


@pytest.mark.parametrize(("block", "lane"), [(0, 0), (3, 0), (0, 7), (2**40, 2**63)])
def test_block_and_lane_are_the_upper_words_of_the_counter(block, lane):
    bits = Bits(KEY)
    bits.seek(block, lane)
    expected = philox(np.array([0, 0, block, lane], np.uint64), 10)
    np.testing.assert_array_equal(bits.words(10, 64), expected)


def test_seek_goes_back_to_the_first_word():
    bits = Bits(KEY)
    bits.seek(5)
    first = bits.words(7, 32).copy()
    bits.seek(6)
    bits.words(1001, 32)
    bits.seek(5)
    np.testing.assert_array_equal(bits.words(7, 32), first)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_short_words_are_halves_of_long_ones_the_lower_first(count):
    bits = Bits(KEY)
    bits.seek(1)
    long = philox(np.array([0, 0, 1, 0], np.uint64), 4)
    halves = np.stack([long & 0xFFFFFFFF, long >> np.uint64(32)], axis=1).ravel()
    np.testing.assert_array_equal(bits.words(count, 32), halves[:count])


def test_fractions_have_53_bits_and_stay_below_one():
    bits = Bits(KEY)
    bits.seek(0)
    fractions = bits.fractions(100_000)
    assert fractions.min() >= 0
    assert fractions.max() < 1
    steps = fractions * 2.0**53
    np.testing.assert_array_equal(steps, np.floor(steps))
    assert (steps % 2 == 1).any()
