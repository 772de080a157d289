"""What a model and a batch tell together: the check before training."""

from keras_inits.data_driven.diagnosis import diagnose
from keras_inits.data_driven.rules import RULES, Rule
from keras_inits.data_driven.signals import measure_outputs

__all__ = ["RULES", "Rule", "diagnose", "measure_outputs"]
