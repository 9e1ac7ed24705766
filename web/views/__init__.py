"""The pages: each view reads its address, asks for what it shows, and renders it."""
