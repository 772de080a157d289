"""What a seed may be, and how it becomes the key of a stream; sees no tensor but a
SeedGenerator's state.
"""

import hashlib
import operator
import random
from typing import Any

import keras

from keras_inits.initializers import tensors

__all__ = ["check_seed", "derive", "entropy", "fold"]

_KINDS = "None, an integer or a keras.random.SeedGenerator"


def check_seed(seed: Any) -> Any:
    """Returns a seed as it is stored: None, a Python int or a `SeedGenerator`.

    A dictionary is taken for the configuration of a `SeedGenerator`, as Keras writes
    it into a saved model.

    Raises:
        TypeError: for every other kind; bool, float and str among them.
    """
    if isinstance(seed, dict):
        seed = keras.saving.deserialize_keras_object(seed)
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return seed
    if not isinstance(seed, bool):
        try:
            return operator.index(seed)
        except TypeError:
            pass
    raise TypeError(
        f"`seed` must be {_KINDS}. Received: seed={seed!r} (of type "
        f"{type(seed).__name__}). Pass an integer for the same weights at each call, "
        "or None with keras.utils.set_random_seed() for a reproducible model."
    )


def entropy(seed: Any) -> str:
    """The randomness of one draw, as text: a SeedGenerator advances, None draws anew.

    None takes from Python's global generator, which `keras.utils.set_random_seed`
    seeds, so that a model as a whole comes out the same on every backend.
    """
    if seed is None:
        return f"unseeded:{random.getrandbits(128)}"
    if isinstance(seed, int):
        return f"integer:{seed}"
    state = tensors.next_state(seed)
    # Backends hold the state as int32, uint32 or int64: the low 32 bits agree.
    return "generator:" + ":".join(str(word & 0xFFFFFFFF) for word in state)


def fold(entropy: str, scheme: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """A 128-bit Philox key (two 64-bit words) that belongs to these three alone.

    Layers of different shapes, and different schemes on one shape, get streams that
    have nothing in common, even from one integer seed.
    """
    text = f"{entropy}|{scheme}|{','.join(map(str, shape))}"
    digest = hashlib.blake2b(text.encode(), digest_size=16, person=b"keras_inits")
    words = digest.digest()
    return int.from_bytes(words[:8], "little"), int.from_bytes(words[8:], "little")


def derive(seed: int, *context: int | str) -> int:
    """A 64-bit integer seed that belongs to a seed and a context alone.

    For parts of a tensor that are drawn one by one, and may not be equal.
    """
    text = "|".join(map(str, (seed, *context)))
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"keras_inits/seed")
    return int.from_bytes(digest.digest(), "little")
