"""What every app stands on: the embedded database, the queue, locks, health checks, the sanitising edge."""
