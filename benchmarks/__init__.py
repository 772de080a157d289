"""How fast keras_inits is, and how much memory it takes, beside Keras and the backends.

A benchmark is a module with `measure(settings)`, which returns plain data that JSON can
hold, and `tables(measured)`, which makes Markdown tables of it. One line in `__main__`
gives it a name.
"""
