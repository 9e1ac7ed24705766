"""Events, daily usage and the numbers made of them."""
