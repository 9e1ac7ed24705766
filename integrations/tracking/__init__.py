"""Messages from the SDKs that companies already run: read, put right, recorded once, and answered as they expect."""
