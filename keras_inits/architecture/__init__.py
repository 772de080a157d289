"""What each weight of a layer is, and what theory expects of a whole model."""

from keras_inits.architecture.fans import fans_of
from keras_inits.architecture.forecasting import forecast

__all__ = ["fans_of", "forecast"]
