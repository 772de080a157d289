"""Event files as TensorBoard's own reader reads them."""

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util


def values_of(folder):
    """Yields step and value of every summary in a folder, file after file."""
    for path in sorted(folder.iterdir()):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                yield event.step, value


def scalars_of(folder):
    found = {}
    for step, value in values_of(folder):
        if value.metadata.plugin_data.plugin_name == "scalars":
            number = float(tensor_util.make_ndarray(value.tensor))
            found.setdefault(value.tag, []).append((step, number))
    return found


def tensors_of(folder, plugin):
    found = {}
    for step, value in values_of(folder):
        if value.metadata.plugin_data.plugin_name == plugin:
            array = tensor_util.make_ndarray(value.tensor)
            found.setdefault(value.tag, []).append((step, array))
    return found
