"""Give a Dense layer an initializer, save the model, load it, and get the same weights.

Run it with `python examples/swap_and_save.py`.
"""

import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_inits

model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(
            128, activation="relu", kernel_initializer=keras_inits.HeNormal(seed=1)
        ),
        keras.layers.Dense(10, kernel_initializer=keras_inits.GlorotUniform(seed=1)),
    ]
)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)  # needs `import keras_inits`, no more

layer = loaded.layers[0]
print("initializer:", layer.kernel_initializer)
same = all(
    np.array_equal(mine, theirs)
    for mine, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True)
)
print("loaded weights equal the saved ones:", same)

redrawn = keras.ops.convert_to_numpy(layer.kernel_initializer((64, 128)))
print(
    "drawn again from the loaded initializer:",
    np.array_equal(redrawn, model.get_weights()[0]),
)
print("first weights, on any backend:", redrawn[0, :3])
