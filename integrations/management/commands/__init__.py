"""Loading files, data sets and the demo company."""
