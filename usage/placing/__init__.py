"""In which account an event happened that names none: judged by who belonged where at its time, and judged anew."""
