"""What every part of the API shares: the error contract, strict input, pages, locking, who may ask and how often."""
