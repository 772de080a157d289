"""Reports: tables, figures and files made from records alone, never from a model."""
