"""A Django database engine that starts the embedded PostgreSQL on the first connection; nothing starts on import."""
