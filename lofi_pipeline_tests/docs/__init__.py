"""The pages: what writes those that follow from the code, and the tests that hold all of them to it."""
