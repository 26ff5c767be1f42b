"""The contract between the server and its plugins."""
