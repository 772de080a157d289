"""What each weight of a built or unbuilt layer is."""

from keras_inits.architecture.fans import fans_of

__all__ = ["fans_of"]
