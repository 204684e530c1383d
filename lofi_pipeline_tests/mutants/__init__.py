"""Do the tests notice when the code breaks? Promises that are broken one by one, and small changes to changed functions."""
