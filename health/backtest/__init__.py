"""The back-test: a health config replayed over the past, and held against who left."""
