"""The figures of a book agree with a calculation of their own over the accounts' values."""
