"""The checksum: the standard's own value, and TensorBoard's slow one at any length."""

import numpy as np
import pytest

from keras_inits.report.crc32c import crc32c, masked_crc32c


def test_it_is_the_standards_check_value():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    "length", [*range(12), 63, 64, 255, 256, 257, 511, 512, 513, 1000, 9973]
)
def test_it_is_tensorboards_at_every_length(length):
    slow = pytest.importorskip("tensorboard.compat.tensorflow_stub.pywrap_tensorflow")
    data = np.random.default_rng(length).bytes(length)
    assert crc32c(data) == slow.crc32c(data)
    assert masked_crc32c(data) == slow.masked_crc32c(data)
    assert crc32c(bytes(length)) == slow.crc32c(bytes(length))
