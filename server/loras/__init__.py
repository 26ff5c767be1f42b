"""The user's LoRAs: what is known of each, and where it comes from."""
