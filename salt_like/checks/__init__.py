"""What may be wrong with data files, found before a training is spent on them."""
