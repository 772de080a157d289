"""Words are those of SFC64, from a state that Philox gives, at every address."""

import numpy as np
import pytest

from keras_inits.initializers.bits import BLOCK, Bits

KEY = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
MASK = 2**64 - 1


def words_of(block, lane, count):
    """SFC64 as its author wrote it, in Python's integers."""
    counter = np.array([0, 0, block, lane], np.uint64)
    philox = np.random.Philox(key=np.array(KEY, np.uint64), counter=counter)
    a, b, c, step = (int(word) for word in philox.random_raw(4))
    words = []
    for _ in range(count):
        words.append((a + b + step) & MASK)
        step = (step + 1) & MASK
        a, b = b ^ (b >> 11), (c + (c << 3)) & MASK
        c = (((c << 24) | (c >> 40)) + words[-1]) & MASK
    return np.array(words, np.uint64)


def read(count, size, position=0, lane=0):
    """Words that follow a position, put together from their parts."""
    bits = Bits(KEY)
    bits.seek(position, lane)
    parts = list(bits.signed(np.empty(count, f"f{size}")))
    return np.concatenate([words for _, _, words in parts])


@pytest.mark.parametrize(("block", "lane"), [(0, 0), (3, 0), (0, 7), (2**40, 2**63)])
def test_block_and_lane_are_the_upper_words_of_the_counter(block, lane):
    words = read(50, 8, block * BLOCK, lane)
    assert words.dtype == np.int64
    np.testing.assert_array_equal(words.view(np.uint64), words_of(block, lane, 50))


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_short_words_are_halves_of_long_ones_the_lower_first(count):
    long = words_of(1, 0, 4)
    halves = np.stack([long & 0xFFFFFFFF, long >> np.uint64(32)], axis=1).ravel()
    words = read(count, 4, 2 * BLOCK)
    assert words.dtype == np.int32
    np.testing.assert_array_equal(words.view(np.uint32), halves[:count])


@pytest.mark.parametrize("size", [4, 8])
def test_words_from_any_position_are_those_of_the_whole(size):
    block = 8 * BLOCK // size
    whole = read(3 * block, size)
    for start in (0, 1, 3, 1001, block - 1, block, 2 * block - 2):
        for count in (1, 2, 5, block):
            part = read(count, size, start)
            np.testing.assert_array_equal(part, whole[start : start + count])


def test_blocks_go_on_where_the_last_one_ended():
    whole = read(BLOCK + 3, 8)
    np.testing.assert_array_equal(whole[BLOCK:].view(np.uint64), words_of(1, 0, 3))


def test_parts_cover_a_vector_in_order():
    bits, out = Bits(KEY), np.zeros(5 * BLOCK, np.float32)
    bits.seek(100)
    end = 0
    for start, part, words in bits.signed(out):
        assert start == end
        assert part.size == words.size
        part += 1
        end += part.size
    assert end == out.size
    assert (out == 1).all()


def test_seek_goes_back():
    bits = Bits(KEY)
    first = [words.copy() for _, _, words in bits.signed(np.empty(7))]
    bits.seek(0)
    again = [words for _, _, words in bits.signed(np.empty(7))]
    np.testing.assert_array_equal(first, again)


def test_nothing_is_read_for_an_empty_vector():
    assert list(Bits(KEY).signed(np.empty(0))) == []
