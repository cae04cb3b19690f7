"""The models that come with jevons, by name: module and function that builds them."""

MODELS = {
    "world": ("world", "build"),
    "world_full_price": ("world", "full_price"),
    "world_hump": ("world", "hump"),
    "laboratory": ("laboratory", "build"),
    "laboratory_us": ("laboratory", "united_states"),
    "m0": ("market", "m0"),
    "two_inputs": ("markets", "two_inputs"),
    "growing_market": ("markets", "growing_market"),
    "training_budget": ("service_markets", "training_budget"),
    "tied_training": ("service_markets", "tied_training"),
    "adoption_market": ("service_markets", "adoption_market"),
    "bass": ("textbook", "bass"),
    "coflow": ("textbook", "coflow"),
    "supply_line": ("textbook", "supply_line"),
    "wright": ("textbook", "wright"),
}

FITTED_AS = {"laboratory": ("world", "main"), "laboratory_us": ("world", "us")}
"""Models that take the values of another's fit, because they are that model where nothing of their own is moved: that
model, and the variant of its fit."""
